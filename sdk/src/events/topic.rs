//! A topic, and publishing to it.

use serde::Serialize;

use super::{Error, NewEvent, publish};

/// What an event is about, and perhaps its key. It is a name or two and nothing more: made for nothing, and copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'a> {
    name: &'a str,
    key: Option<&'a str>,
}

/// Names a topic: 1 to 8 segments of `a-z`, `0-9`, `-` and `_` with dots between them, like `orders.created`.
///
/// A segment has at most 64 bytes, a topic at most 128. Another name is [`Error::InvalidTopic`] when it is published to.
pub const fn topic(name: &str) -> Topic<'_> {
    Topic { name, key: None }
}

impl<'a> Topic<'a> {
    /// Returns the topic's name.
    pub const fn name(self) -> &'a str {
        self.name
    }

    /// Sets the key of what is published: 1 to 256 bytes of text without control characters.
    ///
    /// Events of one key are handled in the order in which they were committed, whatever their topics; one that fails
    /// holds back those after it. Events without a key are in no order.
    pub const fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Publishes a value as JSON, and returns the event's id.
    ///
    /// # Errors
    /// As [`publish`], and [`Error::Unwritable`] when the value has no JSON form.
    pub fn publish_json<T: Serialize + ?Sized>(self, payload: &T) -> Result<String, Error> {
        publish(&self.json(payload)?)
    }

    /// Publishes text as `text/plain; charset=utf-8`, and returns the event's id.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish_text(self, payload: impl Into<String>) -> Result<String, Error> {
        publish(&self.text(payload))
    }

    /// Publishes bytes of a media type, and returns the event's id.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish_bytes(self, content_type: &str, payload: impl Into<Vec<u8>>) -> Result<String, Error> {
        publish(&self.bytes(content_type, payload))
    }

    /// Makes an event of a value as JSON, for [`publish_many`](super::publish_many).
    ///
    /// # Errors
    /// [`Error::Unwritable`] when the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(self, payload: &T) -> Result<NewEvent, Error> {
        let json = serde_json::to_vec(payload)
            .map_err(|fault| Error::Unwritable(format!("the payload for `{}` has no JSON form: {fault}", self.name)))?;
        Ok(self.bytes("application/json", json))
    }

    /// Makes an event of text, for [`publish_many`](super::publish_many).
    pub fn text(self, payload: impl Into<String>) -> NewEvent {
        self.bytes("text/plain; charset=utf-8", payload.into())
    }

    /// Makes an event of bytes of a media type, for [`publish_many`](super::publish_many).
    pub fn bytes(self, content_type: &str, payload: impl Into<Vec<u8>>) -> NewEvent {
        NewEvent {
            topic: self.name.to_owned(),
            key: self.key.map(str::to_owned),
            content_type: content_type.to_owned(),
            payload: payload.into(),
        }
    }
}
