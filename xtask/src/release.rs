//! `cargo xtask release`: the server as it is to be shipped, compiled for what its time goes into.
//!
//! A server that counts how often each of its branches is taken serves the benchmarks' load for some minutes; then it is
//! compiled once more with what was counted (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>). Whoever
//! has such a profile already saves the first half. This module does not know what the load is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    bench::Benchmarks,
    toolchain::{host, require_profdata},
    workspace::{Workspace, announce, run, version_of},
};

/// The benchmarks that show the server what it is to be good at. None of them asks for a feature that is not shipped.
const TRAINING: [&str; 4] = ["auth", "grpc", "state", "events"];

/// Builds the server with the profile that is given, or else with one that is made first.
pub(crate) fn build(workspace: &Workspace, profile: Option<&Path>) -> anyhow::Result<()> {
    let host = host(workspace)?;
    let folder = workspace.target.join("guided");
    let profile = match profile {
        Some(profile) => fs::canonicalize(profile).with_context(|| format!("{} is missing", profile.display()))?,
        None => train(workspace, &host, &folder)?,
    };
    announce("building the server with the profile; this takes as long as every first build for release");
    let server = compile(workspace, &host, &folder, &format!("-Cprofile-use={}", profile.display()))?;
    announce(&format!("the server is {}", server.display()));
    Ok(())
}

/// Makes a profile.
fn train(workspace: &Workspace, host: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    // What is missing is said before anybody has waited.
    version_of("h2load")
        .context("the server is put under load with h2load; on Debian: `apt-get install nghttp2-client`")?;
    let profdata = require_profdata(workspace, host)?;
    let benchmarks = Benchmarks::build(workspace)?;
    announce("building a server that counts; this takes as long as every first build for release, and longer");
    let counts = folder.join("counts");
    let flag = format!("-Cprofile-generate={}", counts.display());
    let server = compile(workspace, host, &folder.join("counting"), &flag)?;
    if counts.exists() {
        fs::remove_dir_all(&counts)?;
    }
    announce("letting it serve for some minutes: its figures are those of a server that counts");
    run(benchmarks.command(&server).args(["--quick", "--alone"]).args(TRAINING))?;
    ensure!(counts.is_dir(), "the server counted nothing into {}", counts.display());
    let profile = folder.join("backplane.profdata");
    run(Command::new(profdata).arg("merge").arg("--output").arg(&profile).arg(&counts))?;
    announce(&format!("the profile is {}", profile.display()));
    Ok(profile)
}

/// Compiles the server and all that it stands on with one more flag, and returns the program.
///
/// Since the target is named, the flag is not for what runs while others are compiled.
fn compile(workspace: &Workspace, host: &str, folder: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    let flags = format!("target.{host}.rustflags=[{}]", toml::Value::from(flag));
    let mut cargo = workspace.cargo_command();
    cargo.args(["build", "--release", "--package", "backplane", "--target", host, "--config", &flags]);
    // Flags in the environment would come in place of ours, and nobody would notice that there is no profile.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(cargo.arg("--target-dir").arg(folder))?;
    Ok(folder.join(host).join("release").join("backplane"))
}
