//! The lock-free queue under the tools that see every order of threads and of memory: its model by loom, and the queue
//! itself by Miri, which sees what this processor would forgive.
//!
//! Miri is a part of nightly toolchains only, and nobody has to have one: where every test is run it is skipped without
//! it, and says so.

use std::process::{Command, Stdio};

use anyhow::ensure;

use crate::workspace::{Workspace, announce, run};

/// What adds Miri.
const INSTALL: &str = "rustup component add --toolchain nightly miri rust-src";

/// Orders of its threads that Miri tries when it is asked for.
const SEEDS: &str = "-Zmiri-many-seeds=0..16";

/// Checks the queue's model, and runs its tests under Miri in many orders.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    ensure!(is_ready(workspace), "no nightly toolchain has miri here: `{INSTALL}` adds it");
    announce("checking the model of the queue with loom");
    run(workspace.cargo_command().args(["test", "--package", "backplane-events", "--test", "queue_model"]))?;
    announce("running the queue under miri, in many orders of its threads");
    run(queue(workspace).env("MIRIFLAGS", SEEDS))
}

/// Runs the queue's tests under Miri where a nightly toolchain has it.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<()> {
    if !is_ready(workspace) {
        announce(&format!("SKIPPED: the queue under miri, which no nightly toolchain has here; `{INSTALL}` adds it"));
        return Ok(());
    }
    announce("running the queue under miri");
    run(&mut queue(workspace))
}

/// Whether Miri is there, with the standard library that it needs.
fn is_ready(workspace: &Workspace) -> bool {
    let mut setup = miri(workspace);
    setup.arg("setup").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    setup.status().is_ok_and(|status| status.success())
}

fn queue(workspace: &Workspace) -> Command {
    let mut command = miri(workspace);
    command.args(["test", "--package", "backplane-events", "--test", "queue"]);
    command
}

fn miri(workspace: &Workspace) -> Command {
    // Through rustup, which knows toolchains; the cargo that runs this one has its own.
    let mut command = Command::new("rustup");
    command.current_dir(&workspace.root).args(["run", "nightly", "cargo", "miri"]);
    command
}
