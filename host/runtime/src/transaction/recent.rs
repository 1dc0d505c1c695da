//! What a run has read without a snapshot, from rows that the store has in memory.
//!
//! All of it is of one moment. A run that needs more opens a snapshot, which is of a later one: it goes on if that shows
//! the same rows, and else starts anew, and then with a snapshot.

use crate::keyspace::{Keyspace, Moment, Row, Snapshot, StateUnavailable};

/// Most rows: more than those are read from a snapshot, which then has to show them all again.
const ROWS_MAX: usize = 16;

/// Rows of one moment.
#[derive(Debug, Default)]
pub(super) struct Recent {
    moment: Option<Moment>,
    rows: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    bucket: String,
    key: Vec<u8>,
    row: Row,
}

impl Recent {
    /// Finds keys, all or none. Returns whether [`Recent::find`] has them from now on.
    pub(super) fn look_up<'k>(
        &mut self,
        keyspace: &dyn Keyspace,
        bucket: &str,
        mut keys: impl Iterator<Item = &'k [u8]>,
    ) -> bool {
        let before = self.rows.len();
        let has_all = keys.all(|key| self.add(keyspace, bucket, key));
        if !has_all {
            // A snapshot need not show again what the run has not been shown.
            self.rows.truncate(before);
        }
        has_all
    }

    fn add(&mut self, keyspace: &dyn Keyspace, bucket: &str, key: &[u8]) -> bool {
        if self.find(bucket, key).is_some() {
            return true;
        }
        if self.rows.len() == ROWS_MAX {
            return false;
        }
        if self.moment.is_none() {
            self.moment = keyspace.moment();
        }
        let Some(row) = self.moment.and_then(|moment| keyspace.find_recent(moment, bucket, key)) else { return false };
        self.rows.push(Found { bucket: bucket.to_owned(), key: key.to_owned(), row });
        true
    }

    /// Returns a row that was found.
    pub(super) fn find(&self, bucket: &str, key: &[u8]) -> Option<&Row> {
        let found = self.rows.iter().find(|found| found.bucket == bucket && found.key == key);
        found.map(|found| &found.row)
    }

    /// Returns sequence and time of what was read; `None` when nothing was.
    pub(super) fn opened(&self) -> Option<(i64, i64)> {
        let moment = self.moment.filter(|_| !self.rows.is_empty());
        moment.map(|Moment { sequence, now_ms }| (sequence, now_ms))
    }

    /// Returns whether a snapshot shows the same rows.
    pub(super) fn is_shown_by(&self, snapshot: &mut dyn Snapshot) -> Result<bool, StateUnavailable> {
        for Found { bucket, key, row } in &self.rows {
            if snapshot.get(bucket, key)?.is_none_or(|shown| shown.version != row.version) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests;
