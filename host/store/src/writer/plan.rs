//! What a commit will do to the rows, found out before anything is done.
//!
//! This module reads only. It does not know why a commit is valid, nor what a plugin may keep.

use std::{borrow::Cow, collections::HashMap};

use diesel::prelude::*;

use super::{ledger::Usage, validate::Known};
use crate::{
    commit::{Change, Commit, CommitError, KeyWrite},
    keys::{self, Name, as_i64, end, is_live},
};

/// What is done to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// It is set, whether or not it is there.
    Put { value: Cow<'a, [u8]>, expires_at_ms: Option<i64> },
    /// It is there, and is deleted.
    Delete,
    /// It is not there, and shall not be.
    Nothing,
}

/// What a commit will do.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// For each of its writes.
    pub(super) actions: Vec<Action<'a>>,
    /// By how much that changes what the plugin keeps.
    pub(super) change: Usage,
    /// Which action was the last on a key, where there is more than one write. A key is usually there once.
    last: HashMap<(&'a str, &'a [u8]), usize>,
    known: Known<'a>,
}

/// Why a job is not done.
pub(super) enum Stop<E = CommitError> {
    Refused(E),
    /// The database failed.
    Failed(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Stop<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        Self::Refused(error)
    }
}

/// Plans the writes of a commit, some of whose keys are known already.
pub(super) fn plan<'a>(
    connection: &mut SqliteConnection,
    commit: &'a Commit,
    known: Known<'a>,
) -> Result<Plan<'a>, Stop> {
    let mut plan = Plan { actions: Vec::with_capacity(commit.writes.len()), known, ..Plan::default() };
    for write in &commit.writes {
        let name = Name { plugin_id: commit.space.id(), bucket: &write.bucket, key: &write.key };
        let before = plan.value_bytes(connection, name)?;
        let action = match &write.change {
            Change::Set { ttl_ms: Some(0), .. } | Change::Delete => match before {
                Some(_) => Action::Delete,
                None => Action::Nothing,
            },
            Change::Set { value, ttl_ms } => {
                let expires_at_ms = ttl_ms.map(|ttl| end(commit.now_ms, ttl));
                Action::Put { value: Cow::Borrowed(value), expires_at_ms }
            }
            Change::Increment { by } => plan.increment(connection, name, *by, commit.now_ms, write)?,
        };
        plan.add(name, before, action, commit.writes.len() > 1);
    }
    Ok(plan)
}

impl<'a> Plan<'a> {
    fn add(&mut self, name: Name<'a>, before: Option<i64>, action: Action<'a>, may_come_again: bool) {
        if let Some(value_bytes) = before {
            self.change = self.change.plus(Usage { keys: -1, bytes: -name.bytes() - value_bytes });
        }
        if let Action::Put { value, .. } = &action {
            self.change = self.change.plus(Usage { keys: 1, bytes: name.bytes() + as_i64(value.len()) });
        }
        if may_come_again {
            self.last.insert((name.bucket, name.key), self.actions.len());
        }
        self.actions.push(action);
    }

    /// Returns the last action on a key.
    fn find(&self, name: Name<'_>) -> Option<&Action<'a>> {
        self.actions.get(*self.last.get(&(name.bucket, name.key))?)
    }

    /// Returns the size of the value that a key has by now, its time over or not.
    fn value_bytes(&self, connection: &mut SqliteConnection, name: Name<'_>) -> QueryResult<Option<i64>> {
        match self.find(name) {
            Some(Action::Put { value, .. }) => Ok(Some(as_i64(value.len()))),
            Some(Action::Delete | Action::Nothing) => Ok(None),
            None => match self.known.value_bytes(name) {
                Some(known) => Ok(known),
                None => Ok(keys::find_head(connection, name)?.map(|head| head.value_bytes)),
            },
        }
    }

    fn increment(
        &self,
        connection: &mut SqliteConnection,
        name: Name<'_>,
        by: i64,
        now_ms: i64,
        write: &KeyWrite,
    ) -> Result<Action<'a>, Stop> {
        let (old, expires_at_ms) = match self.find(name) {
            Some(Action::Put { value, expires_at_ms }) if is_live(*expires_at_ms, now_ms) => {
                (parse(value), *expires_at_ms)
            }
            Some(_) => (Some(0), None),
            None => match keys::find(connection, name, now_ms)? {
                Some((row, expires_at_ms)) => (parse(&row.value), expires_at_ms),
                None => (Some(0), None),
            },
        };
        let sum = old
            .and_then(|old| old.checked_add(by))
            .ok_or_else(|| CommitError::NotAnInteger { bucket: write.bucket.clone(), key: write.key.clone() })?;
        Ok(Action::Put { value: Cow::Owned(sum.to_string().into_bytes()), expires_at_ms })
    }
}

/// Returns the integer that a value is the decimal text of.
fn parse(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
