//! A server under test: the program, and the folders that it lives in.

use std::{
    cell::OnceCell,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::program::Program;

/// Name of the configuration in a server's folder.
pub(crate) const CONFIG: &str = "backplane.toml";

/// Who may use a server's API.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// The password of every account of the benchmarks.
pub(crate) const PASSWORD: &str = "seven mooses in a lift";

/// A running server. Its folders outlive its process, and are deleted with it.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) program: Program,
    root: TempDir,
    binary: PathBuf,
    token: OnceCell<String>,
}

impl Server {
    /// Starts a server with the given plugins, and waits until it is ready.
    pub(crate) fn start(binary: &Path, plugins: &[&Path]) -> anyhow::Result<Self> {
        Self::start_with(binary, plugins, "", tempfile::tempdir()?)
    }

    /// Starts a server with the given plugins and settings in an empty folder, and waits until it is ready.
    pub(crate) fn start_with(binary: &Path, plugins: &[&Path], config: &str, root: TempDir) -> anyhow::Result<Self> {
        fs::write(root.path().join(CONFIG), config)?;
        fs::create_dir(root.path().join("plugins"))?;
        for plugin in plugins {
            let name = plugin.file_name().context("a plugin has a file name")?;
            fs::copy(plugin, root.path().join("plugins").join(name))
                .with_context(|| format!("{} cannot be copied", plugin.display()))?;
        }
        Self::start_in(binary, root)
    }

    /// Starts a server in a folder with a configuration and plugins, such as another one left.
    pub(crate) fn start_in(binary: &Path, root: TempDir) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--plugins"]).arg(root.path().join("plugins"));
        command.arg("--data").arg(root.path().join("data")).arg("--config").arg(root.path().join(CONFIG));
        let program = Program::start(&mut command, &root.path().join("log"))?;
        program.wait_for("/readyz", "HTTP/1.1 200")?;
        Ok(Self { program, root, binary: fs::canonicalize(binary)?, token: OnceCell::new() })
    }

    /// Returns an administrator's token, good for an hour. The first time, the program's own commands make both.
    pub(crate) fn token(&self) -> anyhow::Result<&str> {
        if let Some(token) = self.token.get() {
            return Ok(token);
        }
        self.command(&["user", "add", ADMINISTRATOR, "--role", "admin"], PASSWORD)?;
        let token = self.command(&["token", "issue", "--user", ADMINISTRATOR, "--ttl", "1h"], "")?;
        Ok(self.token.get_or_init(|| token.trim().to_owned()))
    }

    /// Sends an administrator's requests until one is answered with a text that contains `expected`.
    pub(crate) fn wait_for_api(&self, path: &str, expected: &str) -> anyhow::Result<()> {
        let lines = format!("authorization: Bearer {}\r\n", self.token()?);
        self.program.wait_for_with(path, &lines, expected).map(drop)
    }

    /// Runs a command on the server's data, and returns what it prints.
    fn command(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data").arg(self.data()).current_dir(self.root.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("the input is piped")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "`backplane {}` failed", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Stops the server, and keeps its folders.
    pub(crate) fn stop(self) -> TempDir {
        self.root
    }

    /// Returns the folder of plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.path().join("plugins")
    }

    /// Returns the folder of state.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Places a file in the folder of plugins, the way an operator's tool does: at once.
    pub(crate) fn place(&self, name: &str, component: &[u8]) -> anyhow::Result<()> {
        let hidden = self.plugins().join(format!(".{name}"));
        fs::write(&hidden, component)?;
        Ok(fs::rename(hidden, self.plugins().join(name))?)
    }
}
