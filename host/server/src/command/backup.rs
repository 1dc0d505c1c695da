//! `backplane backup`: the whole database in one file, whether the server runs or not.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use backplane_store::back_up;
use bytesize::ByteSize;
use clap::Args;
use serde::Serialize;

use super::{database::DatabaseArgs, output};

/// Arguments of `backplane backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds what plugins keep, the answers that are kept for repeated requests, and the list of versions, all of \
one moment. The server may run, and nobody waits. Only this user can read the file. It does not hold the plugins \
themselves: back up the plugin folder too.

Copying backplane.sqlite with cp while the server runs is not a backup: what was written last is in files beside it.

Examples:
  backplane backup /backups/monday.sqlite --data /var/lib/backplane
  backplane backup monday.sqlite    the folder that the configuration names, else ./data")]
pub struct BackupArgs {
    /// File to write; it must not exist
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A backup that was written.
#[derive(Debug, Serialize)]
struct Written<'a> {
    file: &'a Path,
    bytes: u64,
}

/// Writes the backup.
///
/// # Errors
/// When the file exists, or the database cannot be read.
pub fn run(args: &BackupArgs) -> anyhow::Result<()> {
    back_up(&args.database.path()?, &args.file)?;
    let metadata = std::fs::metadata(&args.file).context("failed to look at the backup")?;
    output::print(&Written { file: &args.file, bytes: metadata.len() }, args.json)
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Wrote {} ({})", self.file.display(), ByteSize::b(self.bytes).display().iec())
    }
}
