//! The events of a commit, from what was asked for to their places in the log.

use diesel::prelude::*;

use super::{
    event_ledger::{EventLedger, EventUsage},
    plan::Stop,
};
use crate::{
    commit::{Commit, CommitError},
    events::{self, NewEvent},
};

/// Where the events of a commit go, found out before anything is done.
#[derive(Default)]
pub(super) struct Publication<'a> {
    /// For each event of the commit its place, also where it was in the log before.
    places: Vec<i64>,
    /// Those that are new.
    new: Vec<(&'a NewEvent, i64)>,
    /// What that adds to the log, by publisher.
    added: Vec<(&'a str, EventUsage)>,
}

/// Finds places for the events of a commit that are not in the log, and checks what that adds.
pub(super) fn plan<'a>(
    connection: &mut SqliteConnection,
    ledger: &mut EventLedger,
    commit: &'a Commit,
) -> Result<Publication<'a>, Stop> {
    let plugin_id = commit.space.id();
    let mut publication = Publication::default();
    let mut next = ledger.head() + 1;
    for event in &commit.events {
        let known = publication.find_given(connection, plugin_id, event)?;
        publication.places.push(known.unwrap_or(next));
        if known.is_none() {
            publication.add(event, next);
            next += 1;
        }
    }
    for (publisher, added) in &publication.added {
        if let Some(max) = ledger.find_broken(connection, plugin_id, publisher, *added)? {
            return Err(CommitError::EventLogFull { max }.into());
        }
    }
    Ok(publication)
}

impl<'a> Publication<'a> {
    /// Returns the place of the event that its publisher gave the same id before, in this commit or in an earlier one.
    fn find_given(
        &self,
        connection: &mut SqliteConnection,
        plugin_id: i64,
        event: &NewEvent,
    ) -> QueryResult<Option<i64>> {
        if !event.is_given {
            return Ok(None);
        }
        let is_same = |new: &NewEvent| {
            new.is_given && new.id == event.id && new.source == event.source && new.publisher() == event.publisher()
        };
        match self.new.iter().find(|(new, _)| is_same(new)) {
            Some((_, place)) => Ok(Some(*place)),
            None => events::find_given(connection, plugin_id, event),
        }
    }

    fn add(&mut self, event: &'a NewEvent, seq: i64) {
        self.new.push((event, seq));
        let one = EventUsage { events: 1, bytes: event.kept_bytes() };
        match self.added.iter_mut().find(|(publisher, _)| *publisher == event.publisher()) {
            Some((_, added)) => *added = added.plus(one),
            None => self.added.push((event.publisher(), one)),
        }
    }

    /// Writes the events that are new.
    pub(super) fn write(&self, connection: &mut SqliteConnection, commit: &Commit) -> QueryResult<()> {
        self.new
            .iter()
            .try_for_each(|(event, seq)| events::append(connection, commit.space.id(), event, *seq, commit.now_ms))
    }

    /// Notes those that were written. Returns the places of all.
    pub(super) fn settle(self, ledger: &mut EventLedger, commit: &Commit) -> Vec<i64> {
        for (publisher, added) in self.added {
            ledger.add(commit.space.id(), publisher, added);
        }
        for (event, seq) in self.new {
            ledger.note_published(event, seq);
        }
        self.places
    }
}
