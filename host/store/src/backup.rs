//! A copy of the database in one file, made while a server runs or not.
//!
//! - A backup is one state of the database: that of the moment when it began. Nobody who writes waits for it.
//! - There is a whole backup under its name or none, it is on the disk, and none is ever overwritten.
//! - Nobody but this user can read it.

use std::{
    error::Error,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use diesel::{prelude::*, sql_query, sql_types::Text};

use tempfile::NamedTempFile;

use crate::{command::connect, filesystem::folder_of, migrate::check, open_error::OpenError};

/// Start of the names of files that are not whole yet.
const NEW_PREFIX: &str = ".backplane-new-";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Something has that name.
    #[error("{} exists: name a new file for the backup", .path.display())]
    Exists {
        /// What has the name.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("failed to write the backup {}: its folder must exist, with space for the whole database", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Writes the database at `database` to the new file `backup`. Blocks for as long as that takes.
///
/// # Errors
/// When `backup` exists or cannot be written, or the database cannot be read.
pub fn back_up(database: &Path, backup: &Path) -> Result<(), BackupError> {
    if backup.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: backup.to_owned() });
    }
    let mut connection = connect(database)?;
    check(&mut connection, database)?;
    let failed = |source| BackupError::Write { path: backup.to_owned(), source };
    let file = create(backup).map_err(|error| failed(error.into()))?;
    let path = file.path().to_str().ok_or_else(|| failed("the name of the folder is not UTF-8".into()))?;
    let copied = sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(&mut connection);
    copied.map_err(|error| match OpenError::from_query(database, error) {
        OpenError::Full { source, .. } => failed(source.into()),
        error => error.into(),
    })?;
    keep(file, backup).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: backup.to_owned() },
        _ => failed(error.into()),
    })
}

/// Creates an empty file for this user alone, which SQLite fills.
fn create(backup: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(NEW_PREFIX).tempfile_in(std::path::absolute(folder_of(backup))?)
}

/// Waits for the disk, which SQLite did not do, and gives the file its name.
fn keep(file: NamedTempFile, backup: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist_noclobber(backup)?;
    File::open(folder_of(backup))?.sync_all()
}

#[cfg(test)]
mod tests;
