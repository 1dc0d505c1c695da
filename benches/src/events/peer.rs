//! How programs of others are found and started: on a free port of this machine, in a folder of their own.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{disk::Disk, program::Program};

/// A running program of others, and its folder, which is deleted after it stopped.
#[derive(Debug)]
pub(super) struct Peer {
    program: Program,
    _folder: TempDir,
}

impl Peer {
    /// Starts a program that gets its folder and its port.
    pub(super) fn start(
        disk: &Disk,
        command: impl FnOnce(&Path, u16) -> anyhow::Result<Command>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(disk.folder())?;
        let port = free_port()?;
        let log = folder.path().join("log");
        let program =
            Program::start_at(&mut command(folder.path(), port)?, &log, format!("{}:{port}", Ipv4Addr::LOCALHOST))?;
        Ok(Self { program, _folder: folder })
    }

    /// Returns where it listens: an address and a port.
    pub(super) fn address(&self) -> &str {
        self.program.address()
    }
}

/// Finds a program in the search path or in one of some other folders, or says what is left out.
pub(super) fn find(program: &str, elsewhere: &[PathBuf]) -> Option<PathBuf> {
    let folders = search_path();
    let found = folders.iter().chain(elsewhere).map(|folder| folder.join(program)).find(|path| is_executable(path));
    if found.is_none() {
        eprintln!("==> without {program}: what is measured of it is left out");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "where programs are is for whoever starts the benchmark to say")]
fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Returns a port that nobody listens on.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Gives a folder to somebody who is not root, and returns who that is; `None` where nobody is root here.
///
/// PostgreSQL refuses to run as root.
pub(super) fn give_up_root(folder: &Path) -> anyhow::Result<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let id_of = |name: &str| {
        let mut fields = accounts.lines().map(|line| line.split(':')).find_map(|mut fields| {
            let is_it = fields.next() == Some(name);
            is_it.then_some(fields)
        })?;
        fields.nth(1)?.parse::<u32>().ok()
    };
    let id = id_of("postgres").or_else(|| id_of("nobody")).context("there is nobody but root on this machine")?;
    chown(folder, Some(id), None).with_context(|| format!("{} cannot be given away", folder.display()))?;
    Ok(Some(id))
}
