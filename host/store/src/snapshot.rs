//! What one run of a handler reads from: a space as it was at one moment.
//!
//! The moment is that of its opening, which begins a read transaction of SQLite, so nothing that is committed later
//! shows. Rows whose time is over by the clock at that moment are absent.
//!
//! As long as it is open the log beside the database cannot start anew. One that is open when the log has reached its
//! bound, and for longer than the writer then waits, is ended by the writer: what is read afterwards fails.

use std::sync::Arc;

use diesel::prelude::*;

use crate::{
    error::SnapshotError,
    frontier::Frontier,
    keys::{self, Listing, Name},
    range::{KeyRange, Order, Row, Rows},
    readers::{Reader, Readers},
    recent::Recent,
    replies::{self, Reply, ReplyKey},
    sequence,
    space::Space,
    statement::{Begin, Rollback},
};

/// A space as it was at one moment. Gives its reader back when it is dropped.
pub struct Snapshot {
    reader: Reader,
    recent: Arc<Recent>,
    plugin_id: i64,
    sequence: i64,
    now_ms: i64,
}

impl Snapshot {
    pub(crate) async fn open(
        readers: &Arc<Readers>,
        space: &Space,
        recent: &Arc<Recent>,
        frontier: &Frontier,
        now_ms: impl FnOnce() -> i64,
    ) -> Result<Self, SnapshotError> {
        let reader = readers.borrow(space).await?;
        let mut snapshot = Self { reader, recent: Arc::clone(recent), plugin_id: space.id(), sequence: 0, now_ms: 0 };
        snapshot.sequence = snapshot.reader.read(|connection| {
            Begin.execute(connection)?;
            // The first query: it takes the snapshot.
            sequence::load(connection)
        })?;
        frontier.note_seen(snapshot.sequence);
        // Not before: who waited for a reader would see what was written after its time.
        snapshot.now_ms = now_ms();
        Ok(snapshot)
    }

    /// Returns the newest version that it sees.
    pub fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Returns its time, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Returns what a key holds, `None` when there is no such key or its time is over.
    ///
    /// # Errors
    /// When the database cannot be read. The snapshot is of no use any more then.
    pub fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Row>, SnapshotError> {
        let (name, now_ms) = (Name { plugin_id: self.plugin_id, bucket, key }, self.now_ms);
        let found = self.reader.read(|connection| keys::find(connection, name, now_ms))?;
        Ok(found.map(|(row, expires_at_ms)| {
            self.recent.offer(name, &row, expires_at_ms, self.sequence);
            row
        }))
    }

    /// Lists the keys of a range: at most `rows_max` and about `bytes_max` of keys and values, but one where there is
    /// one.
    ///
    /// # Errors
    /// When the database cannot be read. The snapshot is of no use any more then.
    pub fn list(
        &mut self,
        bucket: &str,
        range: &KeyRange,
        order: Order,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Rows, SnapshotError> {
        let listing = Listing { plugin_id: self.plugin_id, bucket, range, now_ms: self.now_ms };
        self.reader.read(|connection| keys::list(connection, listing, order, rows_max, bytes_max))
    }

    /// Returns the reply that is kept under a name, `None` when there is none or its time is over.
    ///
    /// # Errors
    /// When the database cannot be read. The snapshot is of no use any more then.
    pub fn find_reply(&mut self, key: ReplyKey<'_>) -> Result<Option<Reply>, SnapshotError> {
        let (plugin_id, now_ms) = (self.plugin_id, self.now_ms);
        self.reader.read(|connection| replies::find(connection, plugin_id, key, now_ms))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // A connection whose transaction does not end is given up, and the error told to nobody: all was read.
        let _ = self.reader.read(|connection| Rollback.execute(connection));
    }
}
