//! The connections that the host's own queries read from, apart from those of plugins: neither waits for the other.

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use diesel::prelude::*;

use crate::{
    connection::open_reader,
    error::StoreError,
    frontier::Frontier,
    open_snapshots::OpenSnapshots,
    read_connection::ReadConnection,
    sequence,
    statement::{Begin, Rollback},
};

/// Queries that may run at a time: two of identity, one for deliveries of events, one of people who look at events.
const COUNT: usize = 4;

/// The readers of the host.
pub(crate) struct HostReaders {
    path: PathBuf,
    snapshots: Arc<OpenSnapshots>,
    frontier: Arc<Frontier>,
    /// What is not lent out. `None` stands for a connection that is to be opened.
    idle: Mutex<Vec<Option<Arc<ReadConnection>>>>,
    put_back: Condvar,
}

impl HostReaders {
    pub(crate) fn new(path: PathBuf, snapshots: Arc<OpenSnapshots>, frontier: Arc<Frontier>) -> Self {
        let idle = Mutex::new((0..COUNT).map(|_| None).collect());
        Self { path, snapshots, frontier, idle, put_back: Condvar::new() }
    }

    /// Runs queries on one snapshot. Blocks while others are in the way.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut lent = Lent { connection: self.take(), readers: self };
        let opened = match lent.connection.take() {
            Some(connection) => Ok(connection),
            None => open_reader(&self.path).map(|connection| self.snapshots.watch(connection)),
        };
        // Held apart from `lent` while it is used: what panics or fails is not put back.
        let connection = opened.map_err(StoreError::from)?;
        connection.note_open(self.snapshots.now());
        let outcome = connection.read(|connection| {
            Begin.execute(connection)?;
            self.frontier.note_seen(sequence::load(connection)?);
            let outcome = query(connection);
            Rollback.execute(connection)?;
            Ok(outcome)
        });
        if connection.note_end() {
            lent.connection = Some(connection);
        }
        outcome.map_err(StoreError::from)?
    }

    fn take(&self) -> Option<Arc<ReadConnection>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.pop() {
                return connection;
            }
            idle = self.put_back.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The right to one connection, which goes back when this is dropped.
struct Lent<'a> {
    connection: Option<Arc<ReadConnection>>,
    readers: &'a HostReaders,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection.take());
        self.readers.put_back.notify_one();
    }
}
