//! Compiles components in a process of their own.
//!
//! A hostile component can make a compiler use any amount of time and memory, so the compiler runs where both
//! are bounded by the kernel, at low priority, without the host's environment. The child gets the component on
//! its standard input and answers with the compiled code; it never runs a guest. What it answers is native
//! code and trusted as such: the child is a bound on resources, not a second sandbox.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Resource, Rlimit};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, process::Command, sync::Semaphore};

use crate::{engine, lane::NICE, limits::HostLimits};

/// Compiled code longer than this is refused.
const CODE_BYTES_MAX: u64 = 1 << 30;

/// How long a compilation may take by the clock, in its processor time: on a busy machine it waits.
const WALL_TIMES: u32 = 4;

/// What the child says when it fails is cut at this length.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// The command that runs [`compile_component`] in a new process.
#[derive(Debug, Clone)]
pub struct CompileCommand {
    /// The program, usually the host's own.
    pub program: PathBuf,
    /// Its arguments. The limits follow them: address space in bytes, CPU time in seconds.
    pub arguments: Vec<OsString>,
}

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The child could not be started or talked to.
    #[error("failed to run the compiler")]
    Run(#[source] std::io::Error),
    /// The compiler refused the component.
    #[error("{0}")]
    Refused(String),
    /// The child was ended by a limit.
    #[error(
        "compiling took more than {} s of processor time, {} s by the clock, or {memory_bytes_max} bytes of memory",
        timeout.as_secs(),
        timeout.saturating_mul(WALL_TIMES).as_secs()
    )]
    OverLimit {
        /// Bound of CPU time.
        timeout: Duration,
        /// Bound of address space.
        memory_bytes_max: u64,
    },
}

/// Starts compilers, a few at a time.
#[derive(Debug)]
pub(crate) struct Compiler {
    command: CompileCommand,
    timeout: Duration,
    memory_bytes_max: u64,
    turns: Semaphore,
}

impl Compiler {
    pub(crate) fn new(command: CompileCommand, limits: &HostLimits, at_once: usize) -> Self {
        Self {
            command,
            timeout: limits.compile_timeout,
            memory_bytes_max: limits.compile_memory_bytes_max,
            turns: Semaphore::new(at_once.max(1)),
        }
    }

    /// Compiles `component`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the child.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let _turn = self.turns.acquire().await;
        match tokio::time::timeout(self.timeout.saturating_mul(WALL_TIMES), self.run_child(component)).await {
            Ok(result) => result,
            Err(_) => Err(self.over_limit()),
        }
    }

    async fn run_child(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .arg(self.memory_bytes_max.to_string())
            .arg(self.timeout.as_secs().max(1).to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CompileError::Run)?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::Run(std::io::ErrorKind::BrokenPipe.into()));
        };
        let send = async {
            // A child that ends early closes its input: its exit status then says why.
            let _ended_early = stdin.write_all(component).await;
            drop(stdin);
        };
        let (mut code, mut complaint) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) = (stdout.take(CODE_BYTES_MAX), stderr.take(COMPLAINT_BYTES_MAX));
        let ((), read, complained) =
            tokio::join!(send, stdout.read_to_end(&mut code), stderr.read_to_end(&mut complaint));
        read.and(complained).map_err(CompileError::Run)?;
        // Nothing is read from here on, so a child that has more to say must not wait for it.
        drop((stdout, stderr));
        let status = child.wait().await.map_err(CompileError::Run)?;
        match status.code() {
            Some(0) => Ok(code),
            Some(_) => Err(CompileError::Refused(String::from_utf8_lossy(&complaint).trim().to_owned())),
            // Ended by a signal: the CPU limit, or an allocation that failed.
            None => Err(self.over_limit()),
        }
    }

    fn over_limit(&self) -> CompileError {
        CompileError::OverLimit { timeout: self.timeout, memory_bytes_max: self.memory_bytes_max }
    }
}

/// The work of the child: compiles its standard input to its standard output under the given limits.
///
/// # Errors
/// When the limits cannot be set, or the input is not a component that this host compiles.
pub fn compile_component(memory_bytes_max: u64, cpu_seconds_max: u64) -> wasmtime::Result<()> {
    let bound = |max| Rlimit { current: Some(max), maximum: Some(max) };
    rustix::process::setrlimit(Resource::As, bound(memory_bytes_max))?;
    rustix::process::setrlimit(Resource::Cpu, bound(cpu_seconds_max))?;
    rustix::process::setrlimit(Resource::Core, bound(0))?;
    // Not `nice`, which would add to what the thread has that started this process.
    rustix::process::setpriority_process(None, NICE)?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let code = engine::compiling()?.precompile_component(&component)?;
    std::io::stdout().lock().write_all(&code)?;
    Ok(())
}
