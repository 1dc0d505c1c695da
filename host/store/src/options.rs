//! What a store is opened with, and the bounds that are not settings.

use std::{fmt, num::NonZero, path::PathBuf, thread, time::Duration};

use crate::events::PublishedHook;

/// Writes of the host that may wait for the writer at a time.
pub(crate) const HOST_WRITES_MAX: usize = 256;
/// Jobs in one batch.
pub(crate) const BATCH_JOBS_MAX: usize = 256;
/// Work after which a batch takes no more.
pub(crate) const BATCH_TIME_MAX: Duration = Duration::from_millis(2);

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// The database, usually `backplane.sqlite` in the data folder. Its `-wal` and `-shm` files stand beside it.
    pub path: PathBuf,
    /// What a commit waits for. [`Synchronous::Full`] by default.
    pub synchronous: Synchronous,
    /// Snapshots that may be open at a time, at least 1; a space has at most three quarters of them. Four for each
    /// processor by default, and at least 8.
    pub readers: usize,
    /// Commits that may wait for the writer, 1024 by default; a space has at most half of them.
    pub queue_commits_max: usize,
    /// Bytes of all waiting commits together, 256 MiB by default; a space has at most half of them.
    pub queue_bytes_max: usize,
    /// Length of the log beside the database at which snapshots that are still open are ended, 1 GiB by default. See
    /// `writer/log.rs`.
    pub log_bytes_max: u64,
    /// How long the writer waits for another process to end its transaction. 5 seconds by default.
    pub busy_timeout: Duration,
    /// Bytes that the log of events may hold, 4 GiB by default. Nothing is published beyond it.
    pub event_log_bytes_max: u64,
    /// Bytes of one publisher in it, a plugin or a client, 1 GiB by default.
    pub event_bytes_per_source_max: u64,
    /// Is told what was published. `None` by default.
    pub published: Option<PublishedHook>,
    /// What tests change.
    #[cfg(test)]
    pub(crate) switches: Switches,
}

impl StoreOptions {
    /// Returns the defaults for a database at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            path: path.into(),
            synchronous: Synchronous::Full,
            readers: (4 * processors).max(8),
            queue_commits_max: 1024,
            queue_bytes_max: 256 << 20,
            log_bytes_max: 1 << 30,
            busy_timeout: Duration::from_secs(5),
            event_log_bytes_max: 4 << 30,
            event_bytes_per_source_max: 1 << 30,
            published: None,
            #[cfg(test)]
            switches: Switches::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn switches(&self) -> Switches {
        self.switches
    }

    #[cfg(not(test))]
    pub(crate) fn switches(&self) -> Switches {
        Switches::default()
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Ways of the writer that only tests change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switches {
    /// Every read is taken for valid, so that a test can show that it would find out.
    pub(crate) trust_reads: bool,
    /// Work after which a batch takes no more, so that a test can have all of its jobs in one.
    pub(crate) batch_time_max: Duration,
    /// Whether the writer stands still for the log's sake, so that a test can show that it must.
    pub(crate) stands_still: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { trust_reads: false, batch_time_max: BATCH_TIME_MAX, stands_still: true }
    }
}

/// What a commit waits for (`PRAGMA synchronous`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// The log is on the disk: a commit that was answered outlives a power cut.
    #[default]
    Full,
    /// The operating system has it: a power cut may take the last commits, in order, and damages nothing.
    Normal,
    /// As `Normal`, and a power cut may damage the database. For tests.
    Off,
}

impl Synchronous {
    pub(crate) fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}
