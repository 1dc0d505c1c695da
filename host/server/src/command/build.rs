//! `backplane build`: from a plugin's source to a checked component.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::{cargo, check, install::install, output};

/// Arguments of `backplane build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backplane build                       the crate in this directory
  backplane build --out ../plugins.d    and place it in a server's folder, where it is live at once")]
pub struct BuildArgs {
    /// Folder to place the component in [default: where cargo puts it]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The plugin's manifest [default: ./Cargo.toml]
    #[arg(long, value_name = "FILE")]
    pub manifest_path: Option<PathBuf>,
    /// Cargo profile to compile with
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub profile: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Compiles, checks and places a plugin.
///
/// # Errors
/// When there is no plugin, it does not compile, or the component could not go live.
pub fn run(args: &BuildArgs) -> anyhow::Result<()> {
    let manifest = find_manifest(args.manifest_path.as_deref())?;
    let artifact = cargo::build_component(&manifest, &args.profile)?;
    let mut report = check::examine(&artifact, None)?;
    if let Some(reason) = &report.reason {
        bail!("{} would be refused by a server: {reason}", artifact.display());
    }
    let name = report.name.as_deref().context("an accepted component has a name")?;
    let component = std::fs::read(&artifact).with_context(|| format!("failed to read {}", artifact.display()))?;
    let folder = args.out.as_deref().or(artifact.parent()).context("the component has no directory")?;
    let file = install(folder, &format!("{name}.wasm"), &component)
        .with_context(|| format!("failed to write to {}", folder.display()))?;
    report.file = file.display().to_string();
    output::print(&report, args.json)
}

fn find_manifest(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = named.unwrap_or(Path::new("Cargo.toml"));
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(_) if named.is_none() => {
            bail!("there is no Cargo.toml here: go to a plugin's directory, or start one with `backplane new NAME`")
        }
        Err(error) => Err(error).with_context(|| format!("failed to find {}", path.display())),
    }
}
