//! Connections to the database: what each is set to.
//!
//! - The write-ahead log lets readers and the writer work at the same time. No memory maps: a stray write of a guest's
//!   neighbour in this process would go to the file.
//! - A statement is compiled once for each connection: see `statement`.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{
    connection::SimpleConnection as _,
    prelude::*,
    result::{ConnectionError, ConnectionResult},
};

use crate::{options::Synchronous, writer::bytes_kept};

/// What a connection of the server's writer is set to.
#[derive(Debug, Clone)]
pub(crate) struct WriterSettings {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) log_bytes_max: u64,
    pub(crate) busy_timeout: Duration,
}

/// How long a reader waits for a lock, which it does on the thread of a call. Only another process that recovers the
/// log holds one that is in a reader's way.
pub(crate) const READER_BUSY_TIMEOUT: Duration = Duration::from_millis(500);

impl WriterSettings {
    /// Opens a connection that may write. Creates the database, readable by its owner only.
    pub(crate) fn open(&self) -> ConnectionResult<SqliteConnection> {
        let mut connection = self.connect()?;
        self.configure(&mut connection)?;
        Ok(connection)
    }

    /// The first half of [`WriterSettings::open`]: after it another program's database is as it was.
    pub(crate) fn connect(&self) -> ConnectionResult<SqliteConnection> {
        create(&self.path)?;
        establish(&self.path, self.busy_timeout)
    }

    /// The second half of [`WriterSettings::open`].
    pub(crate) fn configure(&self, connection: &mut SqliteConnection) -> ConnectionResult<()> {
        let (synchronous, log_bytes_kept) = (self.synchronous.pragma(), bytes_kept(self.log_bytes_max));
        // The writer itself sees to the log. 16 MiB of cache: its pages stay valid from batch to batch.
        set(
            connection,
            &format!(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = {synchronous};
                 PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = {log_bytes_kept};
                 PRAGMA cache_size = -16384;"
            ),
        )
    }
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> ConnectionResult<SqliteConnection> {
    let mut connection = establish(path, READER_BUSY_TIMEOUT)?;
    set(&mut connection, "PRAGMA query_only = ON;")?;
    Ok(connection)
}

pub(crate) fn establish(path: &Path, busy_timeout: Duration) -> ConnectionResult<SqliteConnection> {
    let mut connection = SqliteConnection::establish(&url(path)?)?;
    let busy_timeout_ms = busy_timeout.as_millis();
    set(
        &mut connection,
        &format!(
            "PRAGMA busy_timeout = {busy_timeout_ms};
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cell_size_check = ON;"
        ),
    )?;
    Ok(connection)
}

/// Closes a connection. diesel panics when SQLite does not close it; it is lost then.
pub(crate) fn close(connection: SqliteConnection) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(connection)));
}

fn set(connection: &mut SqliteConnection, pragmas: &str) -> ConnectionResult<()> {
    connection.batch_execute(pragmas).map_err(ConnectionError::CouldntSetupConfiguration)
}

/// Returns the path as SQLite takes it for a path, whatever it is named: it begins with a slash.
fn url(path: &Path) -> ConnectionResult<String> {
    let unusable = |reason: String| ConnectionError::BadConnection(reason);
    let absolute = std::path::absolute(path).map_err(|error| unusable(error.to_string()))?;
    let text = absolute.to_str().ok_or_else(|| unusable(format!("{} is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}

/// SQLite gives its other files the mode of the database.
fn create(path: &Path) -> ConnectionResult<()> {
    // Closing a descriptor of the database ends this process's locks on it, so only a new one is opened here.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(ConnectionError::BadConnection(format!("unable to open database file: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use diesel::{dsl::sql, sql_types::Text};

    use super::*;

    /// What `.cargo/config.toml` asks for: with either of the first two, connections that read at once wait for one another.
    /// Threads may use SQLite at once (2, multi-thread), each a connection of its own.
    #[test]
    fn sqlite_shares_no_lock_between_connections() {
        let mut connection = SqliteConnection::establish(":memory:").expect("opens");
        let options: Vec<String> = sql::<Text>("PRAGMA compile_options").load(&mut connection).expect("lists");
        let is_set = |option: &str| options.iter().any(|set| set == option);
        assert!(!is_set("ENABLE_MEMORY_MANAGEMENT") && is_set("DEFAULT_MEMSTATUS=0"), "{options:?}");
        assert!(is_set("DQS=0") && is_set("THREADSAFE=2") && !is_set("ENABLE_API_ARMOR"), "{options:?}");
    }
}
