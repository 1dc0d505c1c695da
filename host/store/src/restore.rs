//! Puts a backup in the place of the database.
//!
//! - The file is copied and the copy checked as a whole before anything is touched.
//! - No server and no other program uses the database meanwhile.
//! - The swap is one rename. The log of the database that was there goes first: on another one it would be damage. It is
//!   copied into its database before that, so that nothing is lost if the swap then fails.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{QueryableByName, connection::SimpleConnection as _, prelude::*, sql_query, sql_types::Text};
use tempfile::{NamedTempFile, TempPath};

use crate::{
    connection::establish,
    filesystem::{folder_of, prepare_folder},
    lock::ServerLock,
    migrate::check,
    open_error::{OpenError, SqliteError},
    statement::FoldLog,
};

/// Start of the name of the copy that is not checked yet.
const COPY_PREFIX: &str = ".backplane-restore-";
/// How long another program may take to let go of the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What becomes of a database that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays: nothing is restored.
    Keep,
    /// It is gone.
    Replace,
}

/// Why nothing was restored. The database that was there is untouched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is no backup.
    #[error("{} is not a backup of a Backplane database: name a file that `backplane backup` wrote", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The backup is damaged.
    #[error("the backup {} is damaged: use another one", .path.display())]
    Corrupt {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SqliteError,
    },
    /// The data folder cannot be used, or the backup is newer than this program.
    #[error(transparent)]
    Database(OpenError),
    /// There is a database.
    #[error("{} exists: back it up, then restore with --force to replace it", .path.display())]
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// The file to restore has a log beside it, in which a part of it stands.
    #[error(
        "{} is no backup, but a database with a log beside it: make a backup of it with `backplane backup`, and restore \
         that", .path.display()
    )]
    HasLog {
        /// The file to restore.
        path: PathBuf,
    },
    /// The backup cannot be read.
    #[error("failed to read the backup {}", .path.display())]
    Read {
        /// The backup.
        path: PathBuf,
        /// What was said.
        #[source]
        source: io::Error,
    },
    /// The data folder cannot be written.
    #[error("failed to write to {}: it needs space for the whole backup", .path.display())]
    Write {
        /// The data folder.
        path: PathBuf,
        /// What was said.
        #[source]
        source: io::Error,
    },
}

/// Puts the backup at `backup` in the place of the database at `database`. Blocks for as long as that takes.
///
/// # Errors
/// When `backup` is no whole backup or newer than this program, a server or another program uses the database, it exists
/// and is to be kept, its log cannot be copied into it, or the data folder cannot be written.
pub fn restore(backup: &Path, database: &Path, existing: Existing) -> Result<(), RestoreError> {
    prepare_folder(database)?;
    let _lock = ServerLock::take(database)?;
    if existing == Existing::Keep && database.symlink_metadata().is_ok() {
        return Err(RestoreError::Exists { path: database.to_owned() });
    }
    require_no_log(backup)?;
    let copy = copy(backup, database)?;
    check_copy(&copy, backup)?;
    let in_use = close_others_out(database)?;
    swap(copy, database).map_err(|source| RestoreError::Write { path: folder_of(database), source })?;
    drop(in_use);
    Ok(())
}

/// Refuses a file of which a part stands in another one: a copy of it alone would be whole, and older.
fn require_no_log(backup: &Path) -> Result<(), RestoreError> {
    for log in ["-wal", "-journal"] {
        let mut name = OsString::from(backup);
        name.push(log);
        if Path::new(&name).metadata().is_ok_and(|log| log.len() > 0) {
            return Err(RestoreError::HasLog { path: backup.to_owned() });
        }
    }
    Ok(())
}

/// Copies the backup to a file of no meaning beside the database, for this user alone.
fn copy(backup: &Path, database: &Path) -> Result<TempPath, RestoreError> {
    let failed = |source| RestoreError::Read { path: backup.to_owned(), source };
    let mut source = File::open(backup).map_err(failed)?;
    if !source.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    let folder = folder_of(database);
    let failed = |source| RestoreError::Write { path: folder.clone(), source };
    let absolute = std::path::absolute(&folder).map_err(failed)?;
    let mut copy = tempfile::Builder::new().prefix(COPY_PREFIX).tempfile_in(absolute).map_err(failed)?;
    io::copy(&mut source, &mut copy).map_err(failed)?;
    Ok(NamedTempFile::into_temp_path(copy))
}

/// Checks that the copy of `backup` is whole, and a database that this program can use.
fn check_copy(copy: &Path, backup: &Path) -> Result<(), RestoreError> {
    let mut connection = establish(copy, BUSY_TIMEOUT).map_err(|error| OpenError::from_connection(backup, error))?;
    let failed = |error| RestoreError::from(OpenError::from_query(backup, error));
    // What was copied by other means may want a log beside it; this file is to stand alone.
    connection.batch_execute("PRAGMA journal_mode = DELETE").map_err(failed)?;
    check(&mut connection, backup)?;
    let found: Vec<Finding> = sql_query("PRAGMA integrity_check(1)").load(&mut connection).map_err(failed)?;
    match found.into_iter().next() {
        Some(Finding { integrity_check }) if integrity_check != "ok" => {
            Err(RestoreError::Corrupt { path: backup.to_owned(), source: SqliteError(integrity_check) })
        }
        _ => Ok(()),
    }
}

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Folds the log of the database that is there into it, and keeps other programs out while the connection lives.
///
/// What is too damaged for that is in nobody's use. Whatever else is in the way of it is an error: the log is the only
/// place of what was committed last.
fn close_others_out(database: &Path) -> Result<Option<SqliteConnection>, OpenError> {
    if !database.is_file() {
        return Ok(None);
    }
    let failed = |error| OpenError::from_connection(database, error);
    let mut connection = establish(database, BUSY_TIMEOUT).map_err(failed)?;
    match fold_log(&mut connection).map_err(|error| OpenError::from_query(database, error)) {
        Ok(true) | Err(OpenError::Corrupt { .. } | OpenError::Foreign { .. }) => Ok(Some(connection)),
        Ok(false) => {
            let source = SqliteError("a part of the log cannot be copied into the database".to_owned());
            Err(OpenError::Busy { path: database.to_owned(), source })
        }
        Err(error) => Err(error),
    }
}

/// Returns whether all of the log is in the database now. Somebody who is in the way of that is no error to SQLite.
fn fold_log(connection: &mut SqliteConnection) -> QueryResult<bool> {
    connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
    let (is_busy, all, copied): (i64, i64, i64) = FoldLog.get_result(connection)?;
    Ok(is_busy == 0 && copied == all)
}

fn swap(copy: TempPath, database: &Path) -> io::Result<()> {
    File::open(&copy)?.sync_all()?;
    for log in ["-wal", "-shm", "-journal"] {
        let mut name = OsString::from(database);
        name.push(log);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let folder = File::open(folder_of(database))?;
    folder.sync_all()?;
    copy.persist(database)?;
    folder.sync_all()
}

impl From<OpenError> for RestoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Foreign { path } => Self::Foreign { path },
            OpenError::Corrupt { path, source } => Self::Corrupt { path, source },
            error => Self::Database(error),
        }
    }
}

#[cfg(test)]
mod tests;
