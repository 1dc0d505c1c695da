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

/// Events that are written, while their commit may still be refused.
#[derive(Default)]
pub(super) struct Appended<'a> {
    /// For each event of the commit its place, also where it was in the log before.
    pub(super) places: Vec<i64>,
    /// Those that are new.
    new: Vec<(&'a NewEvent, i64)>,
    /// What that adds to the log, by publisher.
    added: Vec<(&'a str, EventUsage)>,
}

/// Writes the events of a commit that are not in the log, and checks what that adds.
pub(super) fn append<'a>(
    connection: &mut SqliteConnection,
    ledger: &mut EventLedger,
    commit: &'a Commit,
) -> Result<Appended<'a>, Stop> {
    let plugin_id = commit.space.id();
    let mut appended = Appended::default();
    let mut next = ledger.head() + 1;
    for event in &commit.events {
        let known = if event.is_given { events::find_given(connection, plugin_id, event)? } else { None };
        appended.places.push(known.unwrap_or(next));
        if known.is_none() {
            events::append(connection, plugin_id, event, next, commit.now_ms)?;
            appended.add(event, next);
            next += 1;
        }
    }
    for (publisher, added) in &appended.added {
        if let Some(max) = ledger.find_broken(connection, plugin_id, publisher, *added)? {
            return Err(CommitError::EventLogFull { max }.into());
        }
    }
    Ok(appended)
}

impl<'a> Appended<'a> {
    fn add(&mut self, event: &'a NewEvent, seq: i64) {
        self.new.push((event, seq));
        let one = EventUsage { events: 1, bytes: event.kept_bytes() };
        match self.added.iter_mut().find(|(publisher, _)| *publisher == event.publisher()) {
            Some((_, added)) => *added = added.plus(one),
            None => self.added.push((event.publisher(), one)),
        }
    }

    /// The commit is written. Returns the events' places.
    pub(super) fn note(
        self,
        connection: &mut SqliteConnection,
        ledger: &mut EventLedger,
        plugin_id: i64,
    ) -> QueryResult<Vec<i64>> {
        for (publisher, added) in self.added {
            ledger.add(connection, plugin_id, publisher, added)?;
        }
        for (event, seq) in self.new {
            ledger.note_published(event, seq);
        }
        Ok(self.places)
    }
}
