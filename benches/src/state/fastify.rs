//! Installs the peer in Node, where there is a Node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::disk::Disk;

const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.js"];

/// Copies the program to the scratch folder and installs what it needs there, unless it did so before.
///
/// Returns the program's path, or says why the peer is left out.
pub(super) fn install(peers: &Path, disk: &Disk) -> anyhow::Result<Option<PathBuf>> {
    let Some(node) = version_of("node").zip(version_of("npm")).map(|(node, _)| node) else {
        eprintln!("==> without Node and npm: the peer in fastify is left out");
        return Ok(None);
    };
    let (source, folder) = (peers.join("fastify"), disk.folder().join("fastify"));
    fs::create_dir_all(&folder)?;
    for file in FILES {
        let (from, to) = (source.join(file), folder.join(file));
        fs::copy(&from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    let wanted = format!("{node}{}", fs::read_to_string(folder.join("package-lock.json"))?);
    let stamp = folder.join("node_modules").join(".installed");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        eprintln!("==> installing fastify and better-sqlite3 in {}; the first time may compile", folder.display());
        let npm = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        let status = Command::new("npm").args(npm).current_dir(&folder).stdout(Stdio::null()).status()?;
        if !status.success() {
            eprintln!("==> npm failed: the peer in fastify is left out");
            return Ok(None);
        }
        fs::write(stamp, wanted)?;
    }
    Ok(Some(folder.join("server.js")))
}

fn version_of(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
