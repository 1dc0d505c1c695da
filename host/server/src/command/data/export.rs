//! `backplane data export`: the keys of one plugin as JSON Lines.
//!
//! As long as the database is read for it, the log beside it grows. So it is read to a file and not to a pipe, behind
//! which somebody may think.

use std::{
    io::{self, BufWriter, Seek as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use backplane_store::{CommandStore, ExportError};
use clap::Args;
use tempfile::NamedTempFile;

use super::never_kept;
use crate::{clock::Clock, command::database::DatabaseArgs};

/// Arguments of `backplane data export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is an object with \"bucket\", \"key\" and \"value\", ordered by bucket and key, all of one moment. A value that is \
not text stands as \"value_base64\", and a key that ends has \"expires_at_ms\". The server may run meanwhile.

Examples:
  backplane data export orders --data /var/lib/backplane --out orders.jsonl
  backplane data export orders | jq -r 'select(.bucket == \"orders\") | .key'")]
pub struct ExportArgs {
    /// Name of the plugin, which need not be in the folder any more
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// File to write; it must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Writes the keys, and how many they are to standard error.
///
/// # Errors
/// When the plugin never kept anything, the database cannot be read, or the file cannot be written.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let database = args.database.path()?;
    let mut store = CommandStore::open(&database)?;
    match &args.out {
        Some(path) => to_file(&mut store, &args.name, path),
        None => to_stdout(&mut store, &args.name, folder_of(&database)),
    }
}

/// Writes to a file in `folder` that has no name, and that to standard output.
fn to_stdout(store: &mut CommandStore, plugin: &str, folder: &Path) -> anyhow::Result<()> {
    let failed = || format!("failed to write to {}: it needs room for the export", folder.display());
    let mut file = tempfile::tempfile_in(folder).with_context(failed)?;
    let keys = export(store, plugin, &mut BufWriter::new(&mut file)).map_err(|error| match error {
        ExportError::Write(error) => anyhow::Error::from(error).context(failed()),
        error => explain(error),
    })?;
    file.rewind()?;
    match io::copy(&mut file, &mut io::stdout().lock()) {
        // Who reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        copied => {
            copied?;
            eprintln!("Exported {keys} keys of {plugin}");
        }
    }
    Ok(())
}

/// Writes to a file that has its name when it is whole, and that nobody else can read.
fn to_file(store: &mut CommandStore, plugin: &str, path: &Path) -> anyhow::Result<()> {
    ensure!(!path.exists(), "{} exists: name a new file with --out, or delete that one", path.display());
    let folder = folder_of(path);
    let failed = || format!("failed to write {}", path.display());
    let mut file = NamedTempFile::with_prefix_in(".backplane-", folder).with_context(failed)?;
    let keys = export(store, plugin, &mut BufWriter::new(file.as_file_mut())).map_err(explain)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist_noclobber(path).with_context(failed)?;
    eprintln!("Exported {keys} keys of {plugin} to {}", path.display());
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn export(store: &mut CommandStore, plugin: &str, out: &mut dyn Write) -> Result<usize, ExportError> {
    store.export(plugin, Clock::SYSTEM.now().as_millisecond(), out)
}

fn explain(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::UnknownPlugin { plugin } => never_kept(&plugin),
        error => error.into(),
    }
}
