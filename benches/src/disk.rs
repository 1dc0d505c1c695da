//! How often this machine's disk can promise something: the rate of `fdatasync` on the file system that is measured.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};

use crate::program::now;

/// What is written before each wait: a page of SQLite.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// File systems that live in memory (statfs(2)): nothing on them is durable.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// A folder on the file system that is measured.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    quick: bool,
}

impl Disk {
    /// Takes a folder, and makes it where it is missing.
    pub(crate) fn at(folder: &Path, quick: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let folder = fs::canonicalize(folder)?;
        let kind = rustix::fs::statfs(&folder)?.f_type;
        let is_in_memory = IN_MEMORY.contains(&kind);
        ensure!(!is_in_memory, "{} is in memory: give a folder on a disk with `--scratch`", folder.display());
        Ok(Self { folder, quick })
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until the disk has all that was written so far: what it still writes makes whoever comes next wait.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.folder)?)?)
    }

    /// Returns how many times per second a block can be appended to a file and be waited for.
    pub(crate) fn fdatasync_per_second(&self) -> anyhow::Result<f64> {
        let duration = Duration::from_millis(if self.quick { 100 } else { 250 });
        let path = self.folder.join("fdatasync-probe");
        let mut file = File::create(&path)?;
        let started = now();
        let mut count = 0.0;
        while started.elapsed() < duration {
            file.write_all(&BLOCK)?;
            file.sync_data()?;
            count += 1.0;
        }
        let rate = count / started.elapsed().as_secs_f64();
        fs::remove_file(path)?;
        Ok(rate)
    }
}
