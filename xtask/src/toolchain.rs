//! What a fresh Rust may lack: the standard library for plugins, and LLVM's tools.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use crate::workspace::{Workspace, announce, described};

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

/// Returns what this machine's own programs are compiled for.
pub(crate) fn host(workspace: &Workspace) -> anyhow::Result<String> {
    rustc(workspace, &["--print", "host-tuple"])
}

/// Returns the program that makes a profile of counts, which comes with LLVM's tools; adds them through rustup when they
/// are missing.
pub(crate) fn require_profdata(workspace: &Workspace, host: &str) -> anyhow::Result<PathBuf> {
    let bin = Path::new("lib/rustlib").join(host).join("bin");
    let program = PathBuf::from(rustc(workspace, &["--print", "sysroot"])?).join(bin).join("llvm-profdata");
    if !program.is_file() {
        announce("adding LLVM's tools with rustup: they read what a server counted");
        let added =
            Command::new("rustup").args(["component", "add", "llvm-tools"]).current_dir(&workspace.root).status();
        let missing = "llvm-profdata is missing: run `rustup component add llvm-tools`";
        ensure!(added.context(missing)?.success() && program.is_file(), missing);
    }
    Ok(program)
}

/// Returns where the target's libraries are, if they are.
fn libraries(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    rustc(workspace, &["--print", "target-libdir", "--target", TARGET]).map(PathBuf::from)
}

/// Asks the compiler something, and returns its one line.
fn rustc(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("rustc");
    let output = command.args(arguments).current_dir(&workspace.root).output();
    let output = output.context("rustc does not start: install Rust from https://rustup.rs")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {errors}", described(&command));
    let answer = String::from_utf8(output.stdout).context("rustc prints what is not UTF-8")?;
    Ok(answer.trim().to_owned())
}
