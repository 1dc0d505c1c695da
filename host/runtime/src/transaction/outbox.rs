//! The events that a run wants to publish, in their order.

use super::{Draft, TooLarge};
use crate::{bindings::backplane::plugin::events::Error, keyspace::NewEvent};

/// Most events of one transaction.
pub(super) const EVENTS_MAX: usize = 1_000;
/// Most bytes of them: topics, keys, content types and payloads.
pub(super) const EVENT_BYTES_MAX: usize = 4 << 20;

/// Events, and how much of them a failed handler has to leave.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    events: Vec<NewEvent>,
    bytes: usize,
    /// Events and bytes that stay whatever happens.
    marked: (usize, usize),
}

impl Draft {
    /// Checks whether so many more events may be published, as far as that can be told before they are looked at.
    pub(crate) fn check_publish(&mut self, count: usize) -> Result<(), Error> {
        if !self.may_write {
            return Err(Error::ReadOnly);
        }
        if self.failure.is_some() {
            return Err(Error::Unavailable);
        }
        let checked = self.outbox.check_count(count);
        Ok(self.within_bounds(checked)?)
    }

    /// Publishes events, all or none.
    pub(crate) fn publish(&mut self, events: Vec<NewEvent>) -> Result<(), Error> {
        self.check_publish(events.len())?;
        let bytes = self.outbox.bytes_with(&events);
        let bytes = self.within_bounds(bytes)?;
        let memory = self.memory(self.writes.size(), self.outbox.count() + events.len(), bytes);
        if !self.has_memory(memory) {
            return Err(Error::Unavailable);
        }
        self.outbox.put(events, bytes);
        Ok(())
    }
}

/// The bound of a whole transaction.
impl From<TooLarge> for Error {
    fn from(TooLarge: TooLarge) -> Self {
        Self::TransactionTooLarge
    }
}

impl Outbox {
    pub(super) fn count(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn check_count(&self, more: usize) -> Result<(), TooLarge> {
        if self.events.len() + more > EVENTS_MAX { Err(TooLarge) } else { Ok(()) }
    }

    /// Returns the bytes with `more` events in it, when they are allowed.
    pub(super) fn bytes_with(&self, more: &[NewEvent]) -> Result<usize, TooLarge> {
        let bytes = self.bytes + more.iter().map(bytes_of).sum::<usize>();
        if bytes > EVENT_BYTES_MAX { Err(TooLarge) } else { Ok(bytes) }
    }

    /// Puts `more` events in, with the bytes that [`Outbox::bytes_with`] has allowed.
    pub(super) fn put(&mut self, more: Vec<NewEvent>, bytes: usize) {
        self.bytes = bytes;
        self.events.extend(more);
    }

    /// Keeps what is there, whatever happens to what comes.
    pub(super) fn mark(&mut self) {
        self.marked = (self.events.len(), self.bytes);
    }

    /// Takes out what came since the mark.
    pub(super) fn undo(&mut self) {
        self.events.truncate(self.marked.0);
        self.bytes = self.marked.1;
    }

    pub(super) fn into_list(self) -> Vec<NewEvent> {
        self.events
    }
}

fn bytes_of(event: &NewEvent) -> usize {
    let key = event.key.as_ref().map_or(0, String::len);
    event.topic.len() + key + event.content_type.len() + event.payload.len()
}
