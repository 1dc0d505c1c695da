//! Which snapshots are open, and since when: what the writer must know before it can start its log anew.
//!
//! A reader notes the time before its transaction takes its snapshot, and takes the note back when that has ended. So the
//! writer may take a snapshot for older than it is, and never overlooks one.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use diesel::prelude::*;
use tokio::time::Instant;

use crate::read_connection::ReadConnection;

/// A time by the clock of [`OpenSnapshots`]: nanoseconds, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Returns the time that was so long before.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(duration)))
    }
}

/// All connections of this process that read.
pub(crate) struct OpenSnapshots {
    /// What moments count from.
    start: Instant,
    /// As many as there are readers; those of connections that were closed are forgotten when another one is opened.
    connections: Mutex<Vec<Weak<ReadConnection>>>,
}

impl OpenSnapshots {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), connections: Mutex::default() }
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Moment {
        Moment(1 + nanoseconds(self.start.elapsed()))
    }

    /// Watches a connection for as long as it is there.
    pub(crate) fn watch(&self, connection: SqliteConnection) -> Arc<ReadConnection> {
        let connection = Arc::new(ReadConnection::new(connection));
        let mut connections = self.connections();
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(&connection));
        connection
    }

    /// Returns whether a snapshot is open that was opened at `moment` or before.
    pub(crate) fn are_open_since(&self, moment: Moment) -> bool {
        self.connections().iter().filter_map(Weak::upgrade).any(|connection| connection.is_open_since(moment))
    }

    /// Ends the snapshots that were opened at `moment` or before and are not being read from right now. Returns how many
    /// that are.
    pub(crate) fn end_open_since(&self, moment: Moment) -> usize {
        let end = |connection: &Arc<ReadConnection>| connection.end_open_since(moment);
        self.connections().iter().filter_map(Weak::upgrade).filter(end).count()
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Weak<ReadConnection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enough for five hundred years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
