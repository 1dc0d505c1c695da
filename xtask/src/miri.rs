//! The lock-free queue under Miri, which sees the orders of memory that this processor would forgive.
//!
//! Miri is a part of nightly toolchains only, and nobody has to have one: without it this is skipped, and says so.

use std::process::{Command, Stdio};

use crate::workspace::{Workspace, announce, run};

/// Runs the queue's tests under Miri where a nightly toolchain has it.
pub(crate) fn test(workspace: &Workspace) -> anyhow::Result<()> {
    if !is_ready(workspace) {
        announce(
            "SKIPPED: the queue under miri, which no nightly toolchain has here; \
             `rustup component add --toolchain nightly miri rust-src` adds it",
        );
        return Ok(());
    }
    announce("running the queue under miri");
    run(miri(workspace).args(["test", "--package", "backplane-events", "--test", "queue"]))
}

/// Whether Miri is there, with the standard library that it needs.
fn is_ready(workspace: &Workspace) -> bool {
    let mut setup = miri(workspace);
    setup.arg("setup").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    setup.status().is_ok_and(|status| status.success())
}

fn miri(workspace: &Workspace) -> Command {
    // Through rustup, which knows toolchains; the cargo that runs this one has its own.
    let mut command = Command::new("rustup");
    command.current_dir(&workspace.root).args(["run", "nightly", "cargo", "miri"]);
    command
}
