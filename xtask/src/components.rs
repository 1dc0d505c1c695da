//! Builds plugins: from crates to components in one folder.
//!
//! A component is put in place by a rename, and only when it changed, so that a server that watches the folder sees
//! whole files and no needless ones.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    io::{BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, ensure};
use cargo_metadata::{CrateType, Message};

use crate::{
    toolchain::{TARGET, require_target},
    workspace::{Workspace, announce, described},
};

/// Builds `plugins/*` into `target/plugins`.
pub(crate) fn build_plugins(workspace: &Workspace) -> anyhow::Result<()> {
    announce("building the plugins");
    let packages = workspace.packages_in("plugins").into_iter().flat_map(|package| ["--package", package]);
    let folder = workspace.target.join("plugins");
    let components = build(workspace, packages)?;
    install(&components, &folder)?;
    announce(&format!("{} plugins in {}", components.len(), folder.display()));
    Ok(())
}

/// Builds `tests/guests` into `target/guests`, and takes out what is no fixture any more.
pub(crate) fn build_guests(workspace: &Workspace) -> anyhow::Result<()> {
    announce("building the guests of the tests");
    let folder = workspace.target.join("guests");
    let components = build(workspace, ["--package", "backplane-guests", "--examples"])?;
    let names = install(&components, &folder)?;
    remove_others(&folder, &names)?;
    announce(&format!("{} guests in {}", components.len(), folder.display()));
    Ok(())
}

/// Runs cargo, and returns the components that it reports.
fn build<'a>(workspace: &Workspace, selection: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Vec<PathBuf>> {
    require_target(workspace)?;
    let mut command = workspace.cargo_command();
    command.args(["build", "--profile", "plugin", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    command.args(selection).stdout(Stdio::piped());
    let mut cargo = command.spawn().context("cargo does not start")?;
    let output = cargo.stdout.take().context("cargo has no output")?;
    let mut components = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's output is cut off")?
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
        {
            let files = artifact.filenames.into_iter().map(cargo_metadata::camino::Utf8PathBuf::into_std_path_buf);
            components.extend(files.filter(|file| file.extension() == Some(OsStr::new("wasm"))));
        }
    }
    ensure!(cargo.wait()?.success(), "{} failed", described(&command));
    Ok(components)
}

/// Copies components to `folder` under the plugins' names, and returns the files' names.
fn install(components: &[PathBuf], folder: &Path) -> anyhow::Result<BTreeSet<OsString>> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut names = BTreeSet::new();
    for component in components {
        let stem = component.file_stem().and_then(OsStr::to_str).context("a component has no name")?;
        let name = format!("{}.wasm", stem.replace('_', "-"));
        let bytes = fs::read(component).with_context(|| format!("{} cannot be read", component.display()))?;
        let to = folder.join(&name);
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            replace(&to, &bytes).with_context(|| format!("{} cannot be written", to.display()))?;
        }
        names.insert(name.into());
    }
    Ok(names)
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    // A server may run as another user than its author.
    let readable = fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(".").suffix(".tmp").permissions(readable).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

fn remove_others(folder: &Path, names: &BTreeSet<OsString>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            fs::remove_file(entry.path()).with_context(|| format!("{} cannot be removed", entry.path().display()))?;
        }
    }
    Ok(())
}
