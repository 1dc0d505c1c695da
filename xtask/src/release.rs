//! `cargo xtask release`: the server as it is to be shipped, compiled for what its time goes into.
//!
//! Twice a server that counts serves the benchmarks' load for some minutes. What the first one counted, how often each
//! branch is taken, is what the compiler goes by
//! (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>); what the second one counted says where in the
//! program its code is put ([`layout`](crate::layout)). Whoever has a profile for the compiler already saves the first
//! half. This module does not know what the load is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    bench::Benchmarks,
    layout::{self, Bolt},
    toolchain::{host, require_profdata},
    workspace::{Workspace, announce, run, version_of},
};

/// The benchmarks that show the server what it is to be good at. None of them asks for a feature that is not shipped.
const TRAINING: [&str; 4] = ["auth", "grpc", "state", "events"];

/// Builds the server with the profile that is given, or else with one that is made first; then lays its code out.
pub(crate) fn build(workspace: &Workspace, profile: Option<&Path>, lays_out: bool) -> anyhow::Result<()> {
    // What is missing is said before anybody has waited.
    let bolt = lays_out.then(Bolt::find).transpose()?;
    if profile.is_none() || lays_out {
        version_of("h2load")
            .context("the server is put under load with h2load; on Debian: `apt-get install nghttp2-client`")?;
    }
    let host = host(workspace)?;
    let folder = workspace.target.join("guided");
    let profile = match profile {
        Some(profile) => fs::canonicalize(profile).with_context(|| format!("{} is missing", profile.display()))?,
        None => count_branches(workspace, &host, &folder)?,
    };
    announce("building the server with the profile; this takes as long as every first build for release");
    let guided = format!("-Cprofile-use={}", profile.display());
    let server = match bolt {
        Some(bolt) => {
            let server = compile(workspace, &host, &folder, &[&guided, layout::LINKED])?;
            lay_out(workspace, &bolt, &server, &folder)?
        }
        None => compile(workspace, &host, &folder, &[&guided])?,
    };
    announce(&format!("the server is {}", server.display()));
    Ok(())
}

/// Makes a profile for the compiler.
fn count_branches(workspace: &Workspace, host: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let profdata = require_profdata(workspace, host)?;
    let benchmarks = Benchmarks::build(workspace)?;
    announce("building a server that counts; this takes as long as every first build for release, and longer");
    let counts = folder.join("counts");
    let flag = format!("-Cprofile-generate={}", counts.display());
    let server = compile(workspace, host, &folder.join("counting"), &[&flag])?;
    train(&benchmarks, &server, &counts)?;
    let profile = folder.join("backplane.profdata");
    run(Command::new(profdata).arg("merge").arg("--output").arg(&profile).arg(&counts))?;
    announce(&format!("the profile is {}", profile.display()));
    Ok(profile)
}

/// Makes a program of `server` whose code lies where it runs best, and returns it.
fn lay_out(workspace: &Workspace, bolt: &Bolt, server: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let benchmarks = Benchmarks::build(workspace)?;
    announce("making a server of it that counts what runs after what");
    let (counting, counts) = (folder.join("backplane-counting"), folder.join("layout"));
    bolt.count(server, &counting, &counts)?;
    train(&benchmarks, &counting, &counts)?;
    announce("laying its code out");
    let laid_out = folder.join("backplane");
    bolt.lay_out(server, &laid_out, &counts)?;
    Ok(laid_out)
}

/// Lets a server serve that counts into `counts`, a folder that holds nothing else.
fn train(benchmarks: &Benchmarks, server: &Path, counts: &Path) -> anyhow::Result<()> {
    if counts.exists() {
        fs::remove_dir_all(counts)?;
    }
    fs::create_dir_all(counts)?;
    announce("letting it serve for some minutes: its figures are those of a server that counts");
    run(benchmarks.command(server).args(["--quick", "--alone"]).args(TRAINING))?;
    ensure!(fs::read_dir(counts)?.next().is_some(), "the server counted nothing into {}", counts.display());
    Ok(())
}

/// Compiles the server and all that it stands on with more flags, and returns the program.
///
/// Since the target is named, the flags are not for what runs while others are compiled.
fn compile(workspace: &Workspace, host: &str, folder: &Path, flags: &[&str]) -> anyhow::Result<PathBuf> {
    let flags = format!("target.{host}.rustflags={}", toml::Value::from(flags.to_vec()));
    let mut cargo = workspace.cargo_command();
    cargo.args(["build", "--release", "--package", "backplane", "--target", host, "--config", &flags]);
    // Flags in the environment would come in place of ours, and nobody would notice that there is no profile.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(cargo.arg("--target-dir").arg(folder))?;
    Ok(folder.join(host).join("release").join("backplane"))
}
