//! `cargo xtask bench`: the benchmarks on a release build.

use std::process::Command;

use anyhow::{Context as _, ensure};

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
    workspace.cargo(["build", "--release", "--package", "backplane-bench"])?;
    announce("running the benchmarks; leave the machine alone meanwhile");
    let release = workspace.target.join("release");
    let mut bench = Command::new(release.join("backplane-bench"));
    bench.arg("--server").arg(release.join("backplane"));
    bench.arg("--plugins").arg(workspace.target.join("plugins"));
    bench.arg("--guests").arg(workspace.target.join("guests"));
    bench.arg("--peers").arg(workspace.root.join("benches").join("peers"));
    bench.arg("--scratch").arg(workspace.target.join("bench"));
    let status = bench.args(arguments).status().context("the benchmarks do not start")?;
    ensure!(status.success(), "{} failed", described(&bench));
    Ok(())
}
