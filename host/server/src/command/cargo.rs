//! Runs cargo for a plugin's crate.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use cargo_metadata::{CrateType, Message};

/// The target whose artifacts are components.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// Compiles the crate of `manifest` and returns the path of its component.
///
/// # Errors
/// When cargo, the target or a component is missing, or when the crate does not compile; cargo has said why.
pub(super) fn build_component(manifest: &Path, profile: &str) -> anyhow::Result<PathBuf> {
    // Cargo reads `.cargo/config.toml`, and rustup the toolchain, from the working directory upwards.
    let directory = manifest.parent().context("the manifest has no directory")?;
    ensure_target(directory)?;
    let mut cargo = Command::new("cargo")
        .args(["build", "--target", TARGET, "--profile", profile, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to run cargo: install Rust from https://rustup.rs")?;
    let messages = BufReader::new(cargo.stdout.take().context("cargo has no output")?);
    let mut components = Vec::new();
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) = message.context("failed to read cargo's messages")?
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
            && artifact.manifest_path.as_std_path() == manifest
        {
            components.extend(artifact.filenames.into_iter().filter(|file| file.extension() == Some("wasm")));
        }
    }
    ensure!(cargo.wait().context("failed to wait for cargo")?.success(), "the plugin does not compile; see above");
    match components.as_slice() {
        [component] => Ok(component.into()),
        [] => bail!("{} made no component: it needs `crate-type = [\"cdylib\"]` under `[lib]`", manifest.display()),
        _ => bail!("{} made more than one component", manifest.display()),
    }
}

/// Adds the target to the toolchain if it is not there.
fn ensure_target(directory: &Path) -> anyhow::Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(directory)
        .output()
        .context("failed to run rustc: install Rust from https://rustup.rs")?;
    let library = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    eprintln!("the target {TARGET} is not installed: running `rustup target add {TARGET}`");
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(directory).status();
    ensure!(
        added.is_ok_and(|status| status.success()),
        "failed to add the target {TARGET}: run `rustup target add {TARGET}`, or install your system's package for it"
    );
    Ok(())
}
