//! The one thing that a fresh Rust may lack: the standard library for plugins.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, bail, ensure};

use crate::workspace::{Workspace, announce};

/// What plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Adds the target through rustup when it is missing.
pub(crate) fn require_target(workspace: &Workspace) -> anyhow::Result<()> {
    if libraries(workspace)?.is_dir() {
        return Ok(());
    }
    announce(&format!("adding the target {TARGET} with rustup: plugins are compiled for it"));
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(&workspace.root).status();
    let missing = format!("the Rust target {TARGET} is missing: run `rustup target add {TARGET}`");
    match added {
        Ok(status) if status.success() => {
            ensure!(libraries(workspace)?.is_dir(), "{missing} for the toolchain in rust-toolchain.toml");
            Ok(())
        }
        Ok(_) => bail!(missing),
        Err(error) => Err(error).context(missing + ", or install it the way that this Rust was installed"),
    }
}

/// Returns where the target's libraries are, if they are.
fn libraries(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(&workspace.root)
        .output()
        .context("rustc does not start: install Rust from https://rustup.rs")?;
    let path = String::from_utf8(output.stdout).context("rustc prints a path that is not UTF-8")?;
    ensure!(output.status.success(), "rustc does not know {TARGET}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(path.trim()))
}
