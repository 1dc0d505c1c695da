//! `backplane restore`: a backup becomes the database again.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use backplane_store::{Existing, restore};
use clap::Args;
use serde::Serialize;

use super::{database::DatabaseArgs, output};

/// Arguments of `backplane restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Stop the server first: while one uses the data folder, nothing is changed. The file is checked before anything is \
replaced, and stays as it is. A backup of an earlier Backplane is brought up to date when the server starts.

Examples:
  backplane restore /backups/monday.sqlite --data /var/lib/backplane
  backplane restore /backups/monday.sqlite --data /var/lib/backplane --force    replaces what is there")]
pub struct RestoreArgs {
    /// File that `backplane backup` wrote
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Replace the database that is there: what it holds is lost
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A database that was restored.
#[derive(Debug, Serialize)]
struct Restored<'a> {
    file: &'a Path,
    database: &'a Path,
}

/// Restores the database.
///
/// # Errors
/// When a server runs, a database is there, or the file is no backup.
pub fn run(args: &RestoreArgs) -> anyhow::Result<()> {
    let database = args.database.path()?;
    restore(&args.file, &database, if args.force { Existing::Replace } else { Existing::Keep })?;
    output::print(&Restored { file: &args.file, database: &database }, args.json)
}

impl fmt::Display for Restored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Restored {} from {}", self.database.display(), self.file.display())
    }
}
