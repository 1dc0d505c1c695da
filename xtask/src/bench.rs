//! `cargo xtask bench`: the benchmarks on a release build.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use cargo_metadata::Message;

use crate::{
    components,
    workspace::{Workspace, announce, described, run as run_and_wait},
};

/// The benchmarks, built, with the plugins that they load.
pub(crate) struct Benchmarks<'a> {
    workspace: &'a Workspace,
}

/// Builds what the benchmarks run on, and runs them: on `server`, or else on one that is built first.
pub(crate) fn run(workspace: &Workspace, server: Option<&Path>, arguments: &[String]) -> anyhow::Result<()> {
    let server = match server {
        Some(server) => server.canonicalize().with_context(|| format!("{} is missing", server.display()))?,
        None => {
            announce("building the server for release; the first time takes a while");
            workspace.cargo(["build", "--release", "--package", "backplane", "--features", "bench-native"])?;
            workspace.target.join("release").join("backplane")
        }
    };
    let benchmarks = Benchmarks::build(workspace)?;
    let queue = build_queue(workspace)?;
    announce("running the benchmarks; leave the machine alone meanwhile");
    run_and_wait(benchmarks.command(&server).arg("--queue").arg(queue).args(arguments))
}

impl<'a> Benchmarks<'a> {
    /// Builds them.
    pub(crate) fn build(workspace: &'a Workspace) -> anyhow::Result<Self> {
        components::build_plugins(workspace)?;
        components::build_guests(workspace)?;
        workspace.cargo(["build", "--release", "--package", "backplane-bench", "--package", "backplane-slow-disk"])?;
        Ok(Self { workspace })
    }

    /// Makes a command that runs them on `server`.
    pub(crate) fn command(&self, server: &Path) -> Command {
        let target = &self.workspace.target;
        let release = target.join("release");
        let mut bench = Command::new(release.join("backplane-bench"));
        bench.arg("--server").arg(server);
        bench.arg("--plugins").arg(target.join("plugins"));
        bench.arg("--guests").arg(target.join("guests"));
        bench.arg("--peers").arg(self.workspace.root.join("benches").join("peers"));
        bench.arg("--scratch").arg(target.join("bench"));
        bench.arg("--slow-disk-library").arg(release.join("libslow_disk.so"));
        bench
    }
}

/// Builds the benchmark of the events' queue, and returns where cargo put it.
fn build_queue(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let mut command = workspace.cargo_command();
    command.args(["build", "--release", "--package", "backplane-events", "--bench", "queue"]);
    command.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    let mut cargo = command.spawn().context("cargo does not start")?;
    let output = cargo.stdout.take().context("cargo has no output")?;
    let mut built = None;
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's output is cut off")?
            && artifact.target.name == "queue"
        {
            built = artifact.executable.map(cargo_metadata::camino::Utf8PathBuf::into_std_path_buf);
        }
    }
    ensure!(cargo.wait()?.success(), "{} failed", described(&command));
    built.context("cargo built no benchmark of the queue")
}
