//! Where things are, and how cargo is called.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace that this command was started in.
pub(crate) struct Workspace {
    /// Folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Folder that cargo builds into.
    pub(crate) target: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo, so that a build folder that was moved is found too.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo cannot read the workspace")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            target: metadata.target_directory.clone().into_std_path_buf(),
            metadata,
        })
    }

    /// Returns the server's program, as `cargo build` makes it.
    pub(crate) fn server(&self) -> PathBuf {
        self.target.join("debug/backplane")
    }

    /// Returns the names of the packages directly below `folder`.
    pub(crate) fn packages_in(&self, folder: &str) -> Vec<&str> {
        let parent = self.root.join(folder);
        let is_below = |manifest: &Path| manifest.parent().and_then(Path::parent) == Some(&parent);
        let packages = self.metadata.packages.iter().filter(|package| is_below(package.manifest_path.as_std_path()));
        packages.map(|package| package.name.as_str()).collect()
    }

    /// Runs cargo in the root and waits for it.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> anyhow::Result<()> {
        run(self.cargo_command().args(arguments))
    }

    /// Makes a cargo that runs in the root.
    pub(crate) fn cargo_command(&self) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.root);
        command
    }
}

/// Asks a program for its version; `None` where there is none.
pub(crate) fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command and waits for it.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{} does not start", described(command)))?;
    ensure!(status.success(), "{} failed", described(command));
    Ok(())
}

/// Writes a command as somebody would type it.
pub(crate) fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" "))
}

/// Says what comes next.
pub(crate) fn announce(what: &str) {
    eprintln!("==> {what}");
}
