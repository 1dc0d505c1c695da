//! The connections that the host's own queries read from, apart from those of plugins: neither waits for the other.

use std::{
    path::PathBuf,
    sync::{Condvar, Mutex, PoisonError},
};

use diesel::prelude::*;

use crate::{
    connection::open_reader,
    error::StoreError,
    statement::{Begin, Rollback},
};

/// Queries that may run at a time.
const COUNT: usize = 2;

/// The readers of the host.
pub(crate) struct HostReaders {
    path: PathBuf,
    /// What is not lent out. `None` stands for a connection that is to be opened.
    idle: Mutex<Vec<Option<SqliteConnection>>>,
    put_back: Condvar,
}

impl HostReaders {
    pub(crate) fn new(path: PathBuf) -> Self {
        let idle = Mutex::new((0..COUNT).map(|_| None).collect());
        Self { path, idle, put_back: Condvar::new() }
    }

    /// Runs queries on one snapshot. Blocks while others are in the way.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut lent = Lent { connection: self.take(), readers: self };
        let opened = match lent.connection.take() {
            Some(connection) => Ok(connection),
            None => open_reader(&self.path).map_err(StoreError::from),
        };
        // Held apart from `lent` while it is used: what panics or fails is not put back.
        let mut connection = opened?;
        Begin.execute(&mut connection).map_err(StoreError::from)?;
        let outcome = query(&mut connection);
        if Rollback.execute(&mut connection).is_ok() {
            lent.connection = Some(connection);
        }
        outcome
    }

    fn take(&self) -> Option<SqliteConnection> {
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
    connection: Option<SqliteConnection>,
    readers: &'a HostReaders,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.connection.take());
        self.readers.put_back.notify_one();
    }
}
