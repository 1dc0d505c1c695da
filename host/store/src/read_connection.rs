//! A connection that snapshots read from, one after another, as its borrower and the writer share it.
//!
//! The borrower holds the lock while a query runs and nobody else ever waits for it, so taking it costs next to nothing.
//! Between two queries the writer may take the connection away, which ends the snapshot wherever its borrower is.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use diesel::prelude::*;

use crate::{connection::close, error::SnapshotError, open_snapshots::Moment};

/// No snapshot is open.
const NEVER: u64 = 0;

/// A connection that reads.
pub(crate) struct ReadConnection {
    /// The moment when the snapshot was opened that is open, or [`NEVER`].
    opened: AtomicU64,
    /// Poisoned by a query that panicked; the connection is of no use then.
    held: Mutex<Held>,
}

enum Held {
    Connection(SqliteConnection),
    Gone(Gone),
}

/// Why there is nothing to read from.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Gone {
    #[error("the snapshot failed before")]
    Failed,
    #[error("the snapshot was open for so long that the log beside the database reached its bound")]
    Ended,
}

impl ReadConnection {
    pub(crate) fn new(connection: SqliteConnection) -> Self {
        Self { opened: AtomicU64::new(NEVER), held: Mutex::new(Held::Connection(connection)) }
    }

    /// Notes that a snapshot is about to be opened.
    pub(crate) fn note_open(&self, moment: Moment) {
        self.opened.store(moment.0, Ordering::SeqCst);
    }

    /// Notes that the snapshot has ended. Returns whether another one can be opened.
    pub(crate) fn note_end(&self) -> bool {
        self.opened.store(NEVER, Ordering::SeqCst);
        self.held.lock().is_ok_and(|held| matches!(*held, Held::Connection(_)))
    }

    /// Runs a query. After one that failed there are no more.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, SnapshotError> {
        let gone = |why| SnapshotError(Arc::new(why));
        let mut held = self.held.lock().map_err(|_| gone(Gone::Failed))?;
        match &mut *held {
            Held::Gone(why) => Err(gone(*why)),
            Held::Connection(connection) => query(connection).map_err(|error| {
                *held = Held::Gone(Gone::Failed);
                self.opened.store(NEVER, Ordering::SeqCst);
                error.into()
            }),
        }
    }

    /// Returns whether a snapshot is open that was opened at `moment` or before.
    pub(crate) fn is_open_since(&self, moment: Moment) -> bool {
        (NEVER + 1..=moment.0).contains(&self.opened.load(Ordering::SeqCst))
    }

    /// Ends the snapshot if it was opened at `moment` or before and no query runs. Returns whether it did.
    pub(crate) fn end_open_since(&self, moment: Moment) -> bool {
        // As long as this is held, nobody ends the snapshot, and none is opened: that takes a query.
        let Ok(mut held) = self.held.try_lock() else { return false };
        if !self.is_open_since(moment) || matches!(*held, Held::Gone(_)) {
            return false;
        }
        if let Held::Connection(connection) = std::mem::replace(&mut *held, Held::Gone(Gone::Ended)) {
            close(connection);
        }
        self.opened.store(NEVER, Ordering::SeqCst);
        true
    }
}
