//! A program under test: its process, how it is asked, and what the kernel says about it.
//!
//! The first line that one of ours prints ends with the URL that it listens on; others are told where to listen. This
//! module does not know which program it is.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::report::median;

/// How long anything may take before the benchmark gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running program, stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    address: String,
}

impl Program {
    /// Starts a program whose log goes to `log`, and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let described = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log)?)
            .spawn()
            .with_context(|| format!("failed to start {described}"))?;
        let output = child.stdout.take().context("the output is piped")?;
        let mut program = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Some((_, address)) = line.trim().split_once("http://") else {
            bail!("{described} did not start: {}", fs::read_to_string(log)?);
        };
        address.clone_into(&mut program.address);
        Ok(program)
    }

    /// Starts a program that was told to listen at `address`, and waits until it does. All that it says goes to `log`.
    pub(crate) fn start_at(command: &mut Command, log: &Path, address: String) -> anyhow::Result<Self> {
        let described = command.get_program().to_string_lossy().into_owned();
        let output = fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {described}"))?;
        let mut program = Self { child, address };
        let started = now();
        while TcpStream::connect(&program.address).is_err() {
            let is_over = program.child.try_wait()?.is_some() || started.elapsed() > PATIENCE;
            if is_over {
                bail!("{described} did not start: {}", fs::read_to_string(log)?);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(program)
    }

    /// Returns where it listens: an address and a port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends one request on a connection of its own, and returns the response's text.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        self.get_with(path, "")
    }

    /// Sends one request with more header lines on a connection of its own, and returns the response's text.
    pub(crate) fn get_with(&self, path: &str, lines: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    }

    /// Returns the body of an answer with 200; `None` when there is nothing at this path.
    pub(crate) fn find(&self, path: &str, lines: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let response = self.get_with(path, lines)?;
        let (head, body) = response.split_once("\r\n\r\n").with_context(|| format!("{path} answered no HTTP"))?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(Some(body.as_bytes().to_vec())),
            Some("404") => Ok(None),
            _ => bail!("{path} answered {response}"),
        }
    }

    /// Sends requests until one is answered with a text that contains `expected`; returns the time that it took.
    pub(crate) fn wait_for(&self, path: &str, expected: &str) -> anyhow::Result<Duration> {
        self.wait_for_with(path, "", expected)
    }

    /// Does the same with more header lines.
    pub(crate) fn wait_for_with(&self, path: &str, lines: &str, expected: &str) -> anyhow::Result<Duration> {
        let started = now();
        loop {
            let response = self.get_with(path, lines)?;
            if response.contains(expected) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                bail!("{path} did not answer {expected}, but {response}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the resident memory in MiB, the median of a few looks.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        let look = || -> anyhow::Result<f64> {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS is listed")?;
            let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
            std::thread::sleep(Duration::from_millis(100));
            Ok(kib / 1024.0)
        };
        Ok(median((0..5).map(|_| look()).collect::<Result<_, _>>()?))
    }

    /// Returns the CPU time that the process has used, user and system.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The command's name may hold anything; the fields follow its closing bracket (proc(5)).
        let (_, fields) = stat.rsplit_once(") ").context("stat has a command")?;
        let ticks: Vec<f64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, Signal::TERM);
        }
        let _gone = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
