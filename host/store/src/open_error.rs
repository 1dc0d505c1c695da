//! Why the database cannot be opened, one variant for each thing that an operator can do about it.
//!
//! Messages name the file and the next step. What SQLite said stays in the source.

use std::{error::Error, fmt, io, path::PathBuf};

use diesel::result::{ConnectionError, DatabaseErrorKind};

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A server holds the data folder.
    #[error(
        "another server{} uses {}: stop it, or give this one a data folder of its own",
        of_process(.pid), .path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// A transaction of another process did not end within the time that this one waits.
    #[error("another program keeps {} busy: end it, then try again", .path.display())]
    Busy {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: SqliteError,
    },
    /// The file or its folder cannot be written to.
    #[error("{} cannot be written to: let this user write to the file and its folder", .path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What was said.
        #[source]
        source: SqliteError,
    },
    /// The file cannot be opened or created.
    #[error("{} cannot be opened: it must be a file, in a folder that this user can write to", .path.display())]
    Unreachable {
        /// The database.
        path: PathBuf,
        /// What was said.
        #[source]
        source: SqliteError,
    },
    /// There is no database.
    #[error("there is no database at {}: name the data folder of a server that ran before", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged: move it and its -wal and -shm files away and restore a backup with `backplane restore`",
        .path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SqliteError,
    },
    /// The file is no SQLite database, or that of another program.
    #[error("{} is not a Backplane database: move it away, or name another data folder", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program migrated it.
    #[error(
        "{} has schema {found}, this program knows schemas up to {known}: run the newer program again, or restore a \
         backup from before the update", .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its newest migration.
        found: String,
        /// This program's newest migration.
        known: String,
    },
    /// No server of this version has migrated it yet, and a command does not.
    #[error(
        "{} has schema {found}, this program needs {known}: start the server of this version once, or use the command \
         of the version that runs", .path.display()
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its newest migration.
        found: String,
        /// This program's newest migration.
        known: String,
    },
    /// The file system is shared between machines, which SQLite's write-ahead log cannot be.
    #[error(
        "{} is on a network file system ({kind}), where a database is damaged sooner or later: put the data folder on \
         a disk of this machine", .path.display()
    )]
    NetworkFileSystem {
        /// The data folder.
        path: PathBuf,
        /// The name of the file system.
        kind: &'static str,
    },
    /// No space is left.
    #[error("there is no space left for {}: free some, then start again", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
        /// What was said.
        #[source]
        source: SqliteError,
    },
    /// The operating system or SQLite failed in another way.
    #[error("failed to open {}", .path.display())]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What SQLite or the operating system said, in its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteError(pub(crate) String);

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for SqliteError {}

impl OpenError {
    /// Sorts what was said when a connection to the database at `path` was made.
    pub(crate) fn from_connection(path: impl Into<PathBuf>, error: ConnectionError) -> Self {
        match error {
            ConnectionError::BadConnection(message) => Self::from_message(path, message),
            ConnectionError::CouldntSetupConfiguration(error) => Self::from_query(path, error),
            other => Self::Failed { path: path.into(), source: other.into() },
        }
    }

    /// Sorts what was said when a statement ran on the database at `path`.
    pub(crate) fn from_query(path: impl Into<PathBuf>, error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::DatabaseError(DatabaseErrorKind::Unknown, said) => {
                Self::from_message(path, said.message().to_owned())
            }
            other => Self::Failed { path: path.into(), source: other.into() },
        }
    }

    pub(crate) fn from_io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        let (path, source) = (path.into(), SqliteError(error.to_string()));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { path, source },
            _ => Self::Failed { path, source: error.into() },
        }
    }

    /// diesel hands on the text of SQLite's result code and not the code. The texts are those of `sqlite3ErrStr`.
    pub(crate) fn from_message(path: impl Into<PathBuf>, message: String) -> Self {
        let (path, source) = (path.into(), SqliteError(message));
        let has = |text: &str| source.0.contains(text);
        if has("database is locked") {
            Self::Busy { path, source }
        } else if has("readonly database") {
            Self::ReadOnly { path, source }
        } else if has("unable to open database file") {
            Self::Unreachable { path, source }
        } else if has("malformed") {
            Self::Corrupt { path, source }
        } else if has("file is not a database") {
            Self::Foreign { path }
        } else if has("database or disk is full") {
            Self::Full { path, source }
        } else {
            Self::Failed { path, source: source.into() }
        }
    }
}

fn of_process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
