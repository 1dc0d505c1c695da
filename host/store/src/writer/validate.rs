//! Whether what a commit read is still so: optimistic concurrency control with backward validation (Kung and Robinson,
//! 1981). Commits are validated one after another, each against all that were written before it, so the order of
//! commits is a serial order of all that happened.
//!
//! Where the stamps cannot tell, the database is asked for the very rows. That has a bound; a commit that would need
//! more is a conflict, which costs its handler another run and its neighbours nothing. What is known of a row then need
//! not be asked for when it is written.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering};

use diesel::prelude::*;

use super::stamps::Stamps;
use crate::{
    commit::{Commit, KeyRead, Mark, RangeRead, Seen, UNDECIDED},
    keys::{self, Listing, Name, as_i64, is_live},
};

/// Rows of ranges that are looked at for one commit, about 3 ms.
const ROWS_MAX: usize = 10_000;

/// The marks of this batch's commits, which the world outside does not see yet.
#[derive(Default)]
pub(super) struct Marks(HashMap<usize, i64>);

impl Marks {
    /// Notes the version that a commit of this batch got.
    pub(super) fn note(&mut self, mark: &Mark, version: i64) {
        self.0.insert(address(mark), version);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the version of a mark; `None` where its commit was not written, or is not decided.
    fn version(&self, mark: &Mark) -> Option<i64> {
        match mark.load(Ordering::SeqCst) {
            UNDECIDED => self.0.get(&address(mark)).copied(),
            version => (version > 0).then_some(version),
        }
    }
}

/// Marks are told apart by where they are; the commits of a batch keep theirs alive.
fn address(mark: &Mark) -> usize {
    Arc::as_ptr(mark).addr()
}

/// What a validation needs besides the commit.
pub(super) struct Validation<'a, 'b> {
    pub(super) commit: &'a Commit,
    pub(super) stamps: &'b Stamps,
    pub(super) marks: &'b Marks,
}

/// What a validation found out about keys of its commit: the size of the value that each has, its time over or not.
#[derive(Debug, Default)]
pub(super) struct Known<'a>(HashMap<(&'a str, &'a [u8]), Option<i64>>);

impl<'a> Known<'a> {
    /// Returns the size of a key's value, where that is known; `None` within where the key has none.
    pub(super) fn value_bytes(&self, name: Name<'_>) -> Option<Option<i64>> {
        self.0.get(&(name.bucket, name.key)).copied()
    }

    fn note(&mut self, name: Name<'a>, value_bytes: Option<i64>) {
        self.0.insert((name.bucket, name.key), value_bytes);
    }
}

impl<'a> Validation<'a, '_> {
    /// Finds out whether everything that the commit read is still so, and what that says about its keys; `None` where
    /// something is not.
    pub(super) fn check(&self, connection: &mut SqliteConnection) -> QueryResult<Option<Known<'a>>> {
        let mut known = Known::default();
        for read in &self.commit.reads {
            if !self.key_holds(connection, read, &mut known)? {
                return Ok(None);
            }
        }
        let mut rows_left = ROWS_MAX;
        for read in &self.commit.ranges {
            if !self.range_holds(connection, read, &mut rows_left)? {
                return Ok(None);
            }
        }
        Ok(Some(known))
    }

    fn key_holds(
        &self,
        connection: &mut SqliteConnection,
        read: &'a KeyRead,
        known: &mut Known<'a>,
    ) -> QueryResult<bool> {
        let name = Name { plugin_id: self.commit.space.id(), bucket: &read.bucket, key: &read.key };
        let expected = match &read.seen {
            // There may be a row whose time is over.
            Seen::Absent { after: None } if self.key_is_unchanged(name) => return Ok(true),
            Seen::Version { value_bytes, .. } if self.key_is_unchanged(name) => {
                known.note(name, Some(as_i64(*value_bytes)));
                return Ok(true);
            }
            Seen::Absent { after: None } => None,
            Seen::Version { version, .. } => Some(*version),
            Seen::Absent { after: Some(mark) } if self.marks.version(mark).is_some() => None,
            Seen::Absent { after: Some(_) } => return Ok(false),
            Seen::Written(mark) => match self.marks.version(mark) {
                Some(version) => Some(version),
                None => return Ok(false),
            },
        };
        let head = keys::find_head(connection, name)?;
        known.note(name, head.map(|head| head.value_bytes));
        Ok(head.filter(|head| head.is_live(self.commit.now_ms)).map(|head| head.version) == expected)
    }

    fn range_holds(
        &self,
        connection: &mut SqliteConnection,
        read: &RangeRead,
        rows_left: &mut usize,
    ) -> QueryResult<bool> {
        let plugin_id = self.commit.space.id();
        let unchanged = |snapshot| self.stamps.bucket_is_unchanged(plugin_id, &read.bucket, snapshot);
        if self.commit.snapshot.is_some_and(unchanged) {
            return Ok(true);
        }
        let now_ms = self.commit.now_ms;
        let listing = Listing { plugin_id, bucket: &read.bucket, range: &read.range, now_ms };
        let heads = keys::list_heads(connection, listing, *rows_left)?;
        *rows_left -= heads.len();
        if *rows_left == 0 {
            return Ok(false);
        }
        let live = heads.iter().filter(|(_, end)| is_live(*end, now_ms)).map(|(version, _)| *version);
        let (count, newest) = live.fold((0, 0), |(count, newest), version| (count + 1, version.max(newest)));
        Ok((count, newest) == (read.count, read.newest))
    }

    fn key_is_unchanged(&self, name: Name<'_>) -> bool {
        self.commit.snapshot.is_some_and(|snapshot| self.stamps.key_is_unchanged(name, snapshot))
    }
}
