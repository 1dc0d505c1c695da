//! An event that the test publishes, as a client would.

use serde::Serialize;

use super::delivery::{Attempt, deliver};
use super::keyspace;
use crate::Plugin;
use crate::events::{NewEvent, topic};

/// An event, made with [`event`], and published or delivered.
#[derive(Clone, Debug)]
pub struct TestEvent {
    source: String,
    trace_parent: Option<String>,
    event: NewEvent,
}

/// Makes an event of a topic, without a key and with the JSON `null`.
pub fn event(name: &str) -> TestEvent {
    TestEvent {
        source: "/clients/test".to_owned(),
        trace_parent: None,
        event: topic(name).bytes("application/json", "null"),
    }
}

impl TestEvent {
    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.event.key = Some(key.into());
        self
    }

    /// Sets who published it. `/clients/test`, unless set.
    #[must_use]
    pub fn source(self, source: impl Into<String>) -> Self {
        Self { source: source.into(), ..self }
    }

    /// Sets the `traceparent` of the call that published it.
    #[must_use]
    pub fn trace_parent(self, trace_parent: impl Into<String>) -> Self {
        Self { trace_parent: Some(trace_parent.into()), ..self }
    }

    /// Sets the payload and its media type.
    #[must_use]
    pub fn bytes(mut self, content_type: &str, payload: impl Into<Vec<u8>>) -> Self {
        self.event.content_type = content_type.to_owned();
        self.event.payload = payload.into();
        self
    }

    /// Sets a JSON payload.
    ///
    /// # Panics
    /// When the value has no JSON form.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let payload =
            serde_json::to_vec(value).expect("a payload in a test is plain data, which always has a JSON form");
        self.bytes("application/json", payload)
    }

    /// Sets a plain text payload.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.bytes("text/plain; charset=utf-8", text.into())
    }

    /// Publishes the event, and returns its id.
    ///
    /// # Panics
    /// When a host would refuse it: for its topic, key, media type or size.
    pub fn publish(self) -> String {
        keyspace::publish_as(&self.source, self.trace_parent, &self.event)
            .expect("a test publishes only what a host would take")
    }

    /// Publishes the event, and delivers to the plugin what is due then: see [`deliver`].
    ///
    /// # Panics
    /// As [`publish`](Self::publish) and [`deliver`].
    pub fn deliver<P: Plugin>(self) -> Vec<Attempt> {
        self.publish();
        deliver::<P>()
    }
}
