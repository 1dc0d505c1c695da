//! An event, before and after it is in the log.

use std::sync::Arc;

use diesel::prelude::*;

use crate::{keys::as_i64, schema::events};

/// What an event counts besides its texts and its payload: about what its row and its entries in indexes take.
const OVERHEAD_BYTES: i64 = 128;

/// Is handed the events of a batch that is on disk, in their order, before anybody is answered. It runs on the writer's
/// thread and must not block.
pub type PublishedHook = Arc<dyn Fn(Vec<Published>) + Send + Sync>;

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: Arc<str>,
    /// Who published it, as the event says it.
    pub source: Arc<str>,
    /// What it is about.
    pub topic: Arc<str>,
    /// What it has in common with events whose order is to be kept.
    pub key: Option<Arc<str>>,
    /// Its lane, below [`LANES`](super::LANES).
    pub lane: u8,
    /// When it happened, as the event says it, in Unix milliseconds. Nothing is decided by it.
    pub time_ms: i64,
    /// Media type of the payload.
    pub content_type: Arc<str>,
    /// What it carries.
    pub payload: Arc<[u8]>,
    /// The trace that it belongs to.
    pub trace_parent: Option<Arc<str>>,
    /// The client that published it under the host's space; `None` where a plugin did, under its own. What a publisher
    /// may keep in the log is counted by both.
    pub publisher: Option<Arc<str>>,
    /// Whether the id is the publisher's choice. Such an event is in the log once: a second one of the same publisher,
    /// source and id is not written, and its commit succeeds.
    pub is_given: bool,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log.
    pub seq: i64,
    /// Its id.
    pub id: Arc<str>,
    /// Who published it, as the event says it.
    pub source: Arc<str>,
    /// What it is about.
    pub topic: Arc<str>,
    /// What it has in common with events whose order is to be kept.
    pub key: Option<Arc<str>>,
    /// Its lane.
    pub lane: u8,
    /// When it happened, as the event says it, in Unix milliseconds.
    pub time_ms: i64,
    /// Media type of the payload.
    pub content_type: Arc<str>,
    /// What it carries.
    pub payload: Arc<[u8]>,
    /// The trace that it belongs to.
    pub trace_parent: Option<Arc<str>>,
}

/// Says that an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// The place of the event before it in the log, 0 where it is the first.
    pub after: i64,
}

impl NewEvent {
    /// Returns the event that is at a place of the log.
    pub(crate) fn at(&self, seq: i64) -> Event {
        Event {
            seq,
            id: Arc::clone(&self.id),
            source: Arc::clone(&self.source),
            topic: Arc::clone(&self.topic),
            key: self.key.clone(),
            lane: self.lane,
            time_ms: self.time_ms,
            content_type: Arc::clone(&self.content_type),
            payload: Arc::clone(&self.payload),
            trace_parent: self.trace_parent.clone(),
        }
    }

    /// Returns the client that published it, `""` for a plugin.
    pub(crate) fn publisher(&self) -> &str {
        self.publisher.as_deref().unwrap_or_default()
    }

    /// Returns what it counts in the log.
    pub(crate) fn kept_bytes(&self) -> i64 {
        let optional = [&self.key, &self.trace_parent].into_iter().flatten().map(|text| text.len()).sum::<usize>();
        let texts = self.id.len() + self.source.len() + self.topic.len() + self.content_type.len();
        kept_bytes(texts + optional + self.publisher().len(), as_i64(self.payload.len()))
    }

    /// Returns about the memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + usize::try_from(self.kept_bytes()).unwrap_or(usize::MAX)
    }
}

/// Returns what an event counts in the log.
pub(crate) fn kept_bytes(text_bytes: usize, payload_bytes: i64) -> i64 {
    as_i64(text_bytes).saturating_add(payload_bytes).saturating_add(OVERHEAD_BYTES)
}

impl Event {
    /// Returns about the memory that it takes.
    pub fn bytes(&self) -> usize {
        let optional = [&self.key, &self.trace_parent].into_iter().flatten().map(|text| text.len()).sum::<usize>();
        let texts = self.id.len() + self.source.len() + self.topic.len() + self.content_type.len();
        size_of::<Self>() + texts + optional + self.payload.len()
    }
}

/// An event as its row has it.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(diesel::sqlite::Sqlite))]
pub(super) struct EventRow {
    seq: i64,
    id: String,
    source: String,
    topic: String,
    key: Option<String>,
    lane: i64,
    time_ms: i64,
    content_type: String,
    trace_parent: Option<String>,
    payload: Vec<u8>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            seq: row.seq,
            id: row.id.into(),
            source: row.source.into(),
            topic: row.topic.into(),
            key: row.key.map(Into::into),
            lane: u8::try_from(row.lane).unwrap_or(u8::MAX),
            time_ms: row.time_ms,
            content_type: row.content_type.into(),
            payload: row.payload.into(),
            trace_parent: row.trace_parent.map(Into::into),
        }
    }
}
