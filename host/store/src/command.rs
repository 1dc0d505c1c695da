//! The database as commands use it, beside a running server or without one.
//!
//! - Beside a running server a command never migrates: that server may be of another version.
//! - It writes in short transactions of its own. The server's writer notices, and reads anew what it knew by heart.

use std::{
    io::{self, Write},
    path::Path,
    thread,
    time::Duration,
};

use diesel::prelude::*;

use crate::{
    connection::{WriterSettings, establish},
    error::StoreError,
    export::read_page,
    filesystem::{folder_of, prepare_folder, require_local},
    lock::ServerLock,
    migrate::{check_current, migrate},
    open_error::OpenError,
    options::StoreOptions,
    plugins::find_id,
    usage::{self, Deleted, Usage},
};

/// How long a command waits for the server's writer, which lets go of the database between any two of its batches.
pub(crate) const COMMAND_BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a command looks again when whoever has the folder has not made the database yet.
const LOOKS_MAX: usize = 20;
/// Between two of these looks.
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A database without a server's writer.
pub struct CommandStore {
    connection: SqliteConnection,
}

/// Why a plugin's data was not exported, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It never kept anything.
    #[error("plugin `{plugin}` never kept anything")]
    UnknownPlugin {
        /// The plugin.
        plugin: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// What was read cannot be written.
    #[error("failed to write the export")]
    Write(#[from] io::Error),
}

impl CommandStore {
    /// Opens the database of a server that runs, or ran before.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut connection = connect(path)?;
        check_current(&mut connection, path)?;
        Ok(Self { connection })
    }

    /// Opens the database, and makes or migrates it first where there is no server to do so.
    ///
    /// # Errors
    /// When it cannot be used, or a server of another version runs on it.
    pub fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        let mut looks = 1;
        loop {
            let said = match Self::open(path) {
                Ok(store) => return Ok(store),
                Err(said @ (OpenError::Missing { .. } | OpenError::Older { .. } | OpenError::Foreign { .. })) => said,
                Err(said) => return Err(said),
            };
            prepare_folder(path)?;
            match ServerLock::take(path) {
                Ok(_lock) => {
                    make(path)?;
                    return Self::open(path);
                }
                // A server that has just been started, or another command, may be about to do it.
                Err(OpenError::Locked { .. }) if looks < LOOKS_MAX => thread::sleep(PAUSE_BETWEEN_LOOKS),
                Err(error) => return Err(if matches!(said, OpenError::Older { .. }) { said } else { error }),
            }
            looks += 1;
        }
    }

    /// Runs `job` in one transaction, which is undone when it returns `Err`. What it wrote is on disk on return.
    ///
    /// It must leave to the server what [`Store::write`](crate::Store::write) does, and be short: the server's writer
    /// waits for it.
    ///
    /// # Errors
    /// As `job`, and when the database cannot be written.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection.immediate_transaction(|connection| job(connection).map_err(Undone::Said)).map_err(Undone::said)
    }

    /// Runs `query` on one state of the database.
    ///
    /// # Errors
    /// As `query`, and when the database cannot be read.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection.transaction(|connection| query(connection).map_err(Undone::Said)).map_err(Undone::said)
    }

    /// Returns what every plugin keeps, by the plugins' names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_usage(&mut self) -> Result<Vec<Usage>, StoreError> {
        Ok(self.connection.transaction(usage::list)?)
    }

    /// Returns what a plugin keeps, if it ever kept something.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_usage(&mut self, plugin: &str) -> Result<Option<Usage>, StoreError> {
        Ok(self.connection.transaction(|connection| usage::find(connection, plugin))?)
    }

    /// Writes a plugin's keys as JSON Lines, all of one state, and returns how many they are.
    ///
    /// The log beside the database grows with what the server writes meanwhile, so `out` must not wait for anybody.
    ///
    /// # Errors
    /// When the plugin never kept anything, the database cannot be read, or `out` fails.
    pub fn export(&mut self, plugin: &str, now_ms: i64, out: &mut dyn Write) -> Result<usize, ExportError> {
        self.connection.transaction(|connection| {
            let unknown = || ExportError::UnknownPlugin { plugin: plugin.to_owned() };
            let id = find_id(connection, plugin)?.ok_or_else(unknown)?;
            let (mut rows, mut after) = (0, None);
            loop {
                let page = read_page(connection, id, after, now_ms)?;
                out.write_all(&page.lines)?;
                rows += page.rows;
                after = page.next;
                if after.is_none() {
                    out.flush()?;
                    return Ok(rows);
                }
            }
        })
    }

    /// Deletes a bounded part of what a plugin keeps, nothing of a plugin that keeps nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn delete_step(&mut self, plugin: &str) -> Result<Deleted, StoreError> {
        let delete = |connection: &mut SqliteConnection| match find_id(connection, plugin)? {
            Some(id) => usage::delete_and_count(connection, id),
            None => Ok(Deleted::default()),
        };
        Ok(self.connection.immediate_transaction(delete)?)
    }
}

/// Why a transaction was undone.
enum Undone<E> {
    /// Who ran in it said so.
    Said(E),
    /// The database did not do its part.
    Database(diesel::result::Error),
}

impl<E: From<StoreError>> Undone<E> {
    fn said(self) -> E {
        match self {
            Self::Said(error) => error,
            Self::Database(error) => StoreError::from(error).into(),
        }
    }
}

impl<E> From<diesel::result::Error> for Undone<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<diesel::result::Error> for ExportError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Opens a connection to a database that is there.
pub(crate) fn connect(path: &Path) -> Result<SqliteConnection, OpenError> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(OpenError::from_io(path, error)),
        Ok(_) => require_local(&folder_of(path))?,
    }
    establish(path, COMMAND_BUSY_TIMEOUT).map_err(|error| OpenError::from_connection(path, error))
}

/// Creates the database or brings it to the newest schema, for who has the server's lock.
fn make(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::from_connection(path, error);
    let StoreOptions { path: database, synchronous, log_bytes_max, .. } = StoreOptions::new(path.to_owned());
    let settings = WriterSettings { path: database, synchronous, log_bytes_max, busy_timeout: COMMAND_BUSY_TIMEOUT };
    let mut connection = settings.connect().map_err(failed)?;
    migrate(&mut connection, path)?;
    settings.configure(&mut connection).map_err(failed)
}
