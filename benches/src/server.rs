//! A server under test: its process, its folders, and what the kernel says about it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::report::median;

/// How long anything may take before the benchmark gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server, stopped when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    root: TempDir,
}

impl Server {
    /// Starts a server with the given plugins, and waits until it is ready.
    pub(crate) fn start(binary: &Path, plugins: &[&Path]) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        fs::create_dir(root.path().join("plugins"))?;
        for plugin in plugins {
            let name = plugin.file_name().context("a plugin has a file name")?;
            fs::copy(plugin, root.path().join("plugins").join(name))?;
        }
        Self::start_in(binary, root)
    }

    /// Starts a server in a folder that another one left.
    pub(crate) fn start_in(binary: &Path, root: TempDir) -> anyhow::Result<Self> {
        let log = fs::File::create(root.path().join("log"))?;
        let config = root.path().join("backplane.toml");
        fs::write(&config, "")?;
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--plugins"])
            .arg(root.path().join("plugins"))
            .arg("--data")
            .arg(root.path().join("data"))
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output is piped")?).read_line(&mut line)?;
        let Some((_, address)) = line.trim().split_once("http://") else {
            bail!("the server did not start: {}", fs::read_to_string(root.path().join("log"))?);
        };
        let server = Self { child, address: address.to_owned(), root };
        server.wait_for("/readyz", "HTTP/1.1 200")?;
        Ok(server)
    }

    /// Stops the server, and keeps its folders.
    pub(crate) fn stop(self) -> anyhow::Result<TempDir> {
        let mut this = std::mem::ManuallyDrop::new(self);
        stop(&mut this.child);
        // Taken out of a value that is not dropped; a placeholder stays behind.
        let placeholder = tempfile::tempdir()?;
        Ok(std::mem::replace(&mut this.root, placeholder))
    }

    /// Returns the folder of plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins")
    }

    /// Returns the folder of state.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Places a file in the folder of plugins, the way an operator's tool does: at once.
    pub(crate) fn place(&self, name: &str, component: &[u8]) -> anyhow::Result<()> {
        let hidden = self.plugins().join(format!(".{name}"));
        fs::write(&hidden, component)?;
        Ok(fs::rename(hidden, self.plugins().join(name))?)
    }

    /// Sends one request on a connection of its own, and returns the response's text.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    }

    /// Sends requests until one is answered with a text that contains `expected`; returns the time that it took.
    pub(crate) fn wait_for(&self, path: &str, expected: &str) -> anyhow::Result<Duration> {
        let started = now();
        loop {
            let response = self.get(path)?;
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

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, Signal::TERM);
    }
    let _gone = child.wait();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
