//! `backplane compile-component`: the compiler's process, which the server starts for itself.

use backplane_runtime::CompileCommand;
use clap::Args;

/// Bounds of the compiler.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Address space in bytes.
    memory_bytes_max: u64,
    /// CPU time in seconds.
    cpu_seconds_max: u64,
}

/// Name of the hidden subcommand.
pub const NAME: &str = "compile-component";

/// Compiles standard input to standard output.
///
/// # Errors
/// When the input is not a component; the message is for the server's log.
pub fn run(args: &CompileArgs) -> anyhow::Result<()> {
    backplane_runtime::compile_component(args.memory_bytes_max, args.cpu_seconds_max)
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// Returns the command that runs this in a process of its own.
///
/// It names the program that runs now, not its file: an upgrade may have replaced that (proc(5)).
pub fn command() -> CompileCommand {
    CompileCommand { program: "/proc/self/exe".into(), arguments: vec![NAME.into()] }
}
