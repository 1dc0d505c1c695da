//! An event as the log holds it.
//!
//! Policy looks at its sequence, topic, key and size. What it carries is for those who publish and handle it.

use std::{fmt, sync::Arc};

use crate::{lane::Lane, time::UnixMs, topic::Topic};

/// Place of an event in the log: positive, and greater than that of every event committed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub i64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// Returns the place before this one.
    pub(crate) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// What events that must keep their order have in common: `order-42`.
///
/// 1 to 256 bytes of text without control characters. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Arc<str>);

/// The text is not a key of an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of an event is 1 to 256 bytes of text without control characters")]
pub struct ParseKeyError;

impl EventKey {
    /// Longest key in bytes.
    pub const BYTES_MAX: usize = 256;

    /// Checks `text` and makes it a key.
    ///
    /// # Errors
    /// When a character or the length is not allowed.
    pub fn new(text: &str) -> Result<Self, ParseKeyError> {
        if text.is_empty() || text.len() > Self::BYTES_MAX || text.chars().any(char::is_control) {
            return Err(ParseKeyError);
        }
        Ok(Self(text.into()))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An event of the log.
#[derive(Debug)]
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// Its id, of at most 64 bytes. Together with the source it names the event for good (CloudEvents 1.0).
    pub id: Arc<str>,
    /// Who published it: a plugin's name, or a name of the host for clients.
    pub source: Arc<str>,
    /// What it is about.
    pub topic: Topic,
    /// Events of one key are handled in their order.
    pub key: Option<EventKey>,
    /// As stored; [`Lane::of`] its key and id.
    pub lane: Lane,
    /// When it was published.
    pub time: UnixMs,
    /// Media type of the payload.
    pub content_type: Arc<str>,
    /// What it carries.
    pub payload: Arc<[u8]>,
    /// The trace that it belongs to (W3C Trace Context `traceparent`).
    pub trace_parent: Option<Arc<str>>,
}

impl Event {
    /// Returns about the memory that it takes.
    pub fn bytes(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| key.as_str().len());
        size_of::<Self>() + self.payload.len() + self.topic.as_str().len() + self.id.len() + key
    }
}

/// Says that an event is in the log: what goes through the queue from commit to dispatcher.
///
/// It saves a read of the log, and nothing else hangs on it.
#[derive(Debug, Clone)]
pub struct Published {
    /// The event.
    pub event: Arc<Event>,
    /// The event before it in the log, [`Seq::ZERO`] where it is the first.
    pub after: Seq,
}

impl Published {
    /// Returns about the memory that it takes.
    pub fn bytes(&self) -> usize {
        self.event.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bounded_text() {
        for key in ["a", "order 42", "Zürich", &"x".repeat(256)] {
            assert_eq!(EventKey::new(key).map(|key| key.as_str().to_owned()), Ok(key.to_owned()));
        }
        for key in ["", "a\0", "a\nb", "\u{7f}", &"x".repeat(257)] {
            assert_eq!(EventKey::new(key), Err(ParseKeyError), "{key:?}");
        }
    }
}
