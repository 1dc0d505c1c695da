//! Publishing from outside of plugins: one transaction of the host's own.

use std::sync::Arc;

use backplane_events::{EventKey, Lane, Seq, Topic, UnixMs};
use backplane_runtime::Response;
use backplane_store::{Commit, CommitError, Reply, SnapshotError, Source, StoreError, events::NewEvent};

use super::{Events, new_event_id};
use crate::adapters::ReplyRecord;

/// An event that somebody wants to publish.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Its id; one is made where there is none.
    pub id: Option<String>,
    /// Whether the client chose the id: then a second one of the same publisher, source and id is not written.
    pub is_chosen: bool,
    /// Who it is from, as the event says it.
    pub source: String,
    /// What it is about.
    pub topic: Topic,
    /// What it has in common with events whose order is to be kept.
    pub key: Option<EventKey>,
    /// When it happened; now where it does not say.
    pub time: Option<UnixMs>,
    /// Media type of the payload.
    pub content_type: String,
    /// What it carries.
    pub payload: Vec<u8>,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

/// An event that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// Its place.
    pub seq: Seq,
}

/// An answer to keep with what is published, for whoever repeats the request.
#[derive(Debug, Clone)]
pub struct ReplyToKeep {
    /// Under what it is kept.
    pub record: ReplyRecord,
    /// The answer.
    pub answer: Response,
}

/// Why nothing, or nothing known, was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is an answer to this request already.
    #[error("the request was answered before")]
    ReplyExists,
    /// The log has no room.
    #[error("the log of events may hold {max} bytes, and is full")]
    LogFull {
        /// The bound that is reached, in bytes.
        max: u64,
    },
    /// Too much waits to be written, or the answers that are kept take all the room that they may.
    #[error("the store is busy")]
    Busy,
    /// The log cannot be written now.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// Nobody can say whether they are published.
    #[error("the outcome is not known")]
    Unknown,
}

impl Events {
    /// Publishes events, all or none, and returns ids and places in their order. They are on disk then.
    ///
    /// # Errors
    /// When nothing of it is published, but for [`PublishError::Unknown`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing: what was begun is decided all the same.
    pub async fn publish(
        &self,
        publisher: &str,
        events: Vec<Publish>,
        reply: Option<ReplyToKeep>,
    ) -> Result<Vec<Accepted>, PublishError> {
        let (publisher, now_ms) = (Arc::from(publisher), self.clock.unix_ms().0);
        let events: Vec<_> = events.into_iter().map(|event| self.new_event(event, &publisher, now_ms)).collect();
        let ids: Vec<_> = events.iter().map(|event| event.id.as_ref().to_owned()).collect();
        let reply = reply.map(|kept| kept.record.to_reply(&kept.answer, now_ms, self.reply_ttl));
        let commit = Commit { events, reply, ..Commit::new(Arc::clone(self.store.host_space()), now_ms) };
        let committed = self.store.commit(commit)?.await?;
        Ok(ids.into_iter().zip(committed.events).map(|(id, seq)| Accepted { id, seq: Seq(seq) }).collect())
    }

    /// Makes the id of an event: a UUID of version 7 (RFC 9562).
    pub fn new_id(&self) -> String {
        new_event_id()
    }

    /// Finds the answer that is kept under the name of `record`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_reply(&self, record: &ReplyRecord) -> Result<Option<Reply>, SnapshotError> {
        let mut snapshot = self.store.snapshot(self.store.host_space(), || self.clock.unix_ms().0).await?;
        snapshot.find_reply(record.name())
    }

    fn new_event(&self, event: Publish, publisher: &Arc<str>, now_ms: i64) -> NewEvent {
        let Publish { id, is_chosen, source, topic, key, time, content_type, payload, trace_parent } = event;
        let is_given = is_chosen && id.is_some();
        let id = id.unwrap_or_else(|| self.new_id());
        NewEvent {
            lane: Lane::of(key.as_ref(), &id).number(),
            id: id.into(),
            source: source.into(),
            topic: topic.as_str().into(),
            key: key.map(|key| key.as_str().into()),
            time_ms: time.map_or(now_ms, |time| time.0),
            content_type: content_type.into(),
            payload: payload.into(),
            trace_parent: trace_parent.map(Into::into),
            publisher: Some(Arc::clone(publisher)),
            is_given,
        }
    }
}

impl From<CommitError> for PublishError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::ReplyExists => Self::ReplyExists,
            CommitError::EventLogFull { max } => Self::LogFull { max },
            CommitError::QuotaExceeded { .. } | CommitError::Busy => Self::Busy,
            CommitError::Unavailable(source) => Self::Unavailable(source),
            // It reads nothing, increments nothing and has no step: none of the first three is ever said of it.
            CommitError::Conflict | CommitError::Stale | CommitError::NotAnInteger { .. } | CommitError::Unknown => {
                Self::Unknown
            }
        }
    }
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        CommitError::from(error).into()
    }
}
