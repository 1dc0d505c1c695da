//! `cargo xtask bench`: the benchmarks on a release build.

use std::{
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use cargo_metadata::Message;

use crate::{
    components,
    workspace::{Workspace, announce, described},
};

/// Builds what the benchmarks run on, and runs them.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<()> {
    components::build_plugins(workspace)?;
    components::build_guests(workspace)?;
    announce("building the server for release; the first time takes a while");
    workspace.cargo(["build", "--release", "--package", "backplane", "--features", "bench-native"])?;
    workspace.cargo(["build", "--release", "--package", "backplane-bench", "--package", "backplane-slow-disk"])?;
    let queue = build_queue(workspace)?;
    announce("running the benchmarks; leave the machine alone meanwhile");
    let release = workspace.target.join("release");
    let mut bench = Command::new(release.join("backplane-bench"));
    bench.arg("--server").arg(release.join("backplane"));
    bench.arg("--plugins").arg(workspace.target.join("plugins"));
    bench.arg("--guests").arg(workspace.target.join("guests"));
    bench.arg("--peers").arg(workspace.root.join("benches").join("peers"));
    bench.arg("--scratch").arg(workspace.target.join("bench"));
    bench.arg("--queue").arg(queue);
    bench.arg("--slow-disk-library").arg(release.join("libslow_disk.so"));
    let status = bench.args(arguments).status().context("the benchmarks do not start")?;
    ensure!(status.success(), "{} failed", described(&bench));
    Ok(())
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
