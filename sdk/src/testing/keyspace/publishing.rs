//! Events that a call publishes: part of its transaction, and in the log once it commits.

use serde::de::DeserializeOwned;

use super::transaction::Transaction;
use super::{Access, Keyspace, change, rules};
use crate::bindings::http::backplane::plugin::events::{Error, NewEvent};
use crate::testing::double;

/// An event in the log of the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id: of the form that a host gives, and greater than that of every event before.
    pub id: String,
    /// Who published it: `/plugins/<name>`, or what the test said.
    pub source: String,
    /// What it is about.
    pub topic: String,
    /// Events of one key are handled in their order.
    pub key: Option<String>,
    /// Media type of the payload.
    pub content_type: String,
    /// What it carries.
    pub payload: Vec<u8>,
    /// When it was published, by the test's clock.
    pub time_ms: u64,
    /// The trace of the call that published it.
    pub trace_parent: Option<String>,
}

impl Published {
    /// Returns the payload as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.payload).expect("a test reads as text only what it expects to be text")
    }

    /// Returns the payload as JSON.
    ///
    /// # Panics
    /// When it is not JSON, or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.payload).expect("a test reads as JSON only what it expects to be JSON")
    }

    pub(super) fn size(&self) -> usize {
        let key = self.key.as_ref().map_or(0, String::len);
        self.topic.len() + key + self.content_type.len() + self.payload.len()
    }
}

/// Returns every event that was published and committed, by handlers and by the test itself, in order.
pub fn published() -> Vec<Published> {
    change(|keyspace| keyspace.log.clone())
}

/// Looks at the log.
pub(in crate::testing) fn with_log<T>(look: impl FnOnce(&[Published]) -> T) -> T {
    change(|keyspace| look(&keyspace.log))
}

/// Publishes what a client would, at once.
pub(in crate::testing) fn publish_as(
    source: &str,
    trace_parent: Option<String>,
    event: &NewEvent,
) -> Result<String, Error> {
    rules::check_event(event)?;
    change(|keyspace| {
        let event = keyspace.stamp(source, trace_parent, event);
        let id = event.id.clone();
        keyspace.log.push(event);
        Ok(id)
    })
}

impl Keyspace {
    /// Publishes in the call that runs, or at once when there is none.
    fn publish(&mut self, events: &[NewEvent]) -> Result<Vec<String>, Error> {
        if let Some(call) = &self.call {
            call.require_publishing(events)?;
        }
        events.iter().try_for_each(rules::check_event)?;
        let source = double::plugin().map_or_else(|| "/clients/test".to_owned(), |name| format!("/plugins/{name}"));
        let trace_parent = double::context::trace_parent();
        let stamped: Vec<_> = events.iter().map(|event| self.stamp(&source, trace_parent.clone(), event)).collect();
        let ids = stamped.iter().map(|event| event.id.clone()).collect();
        match &mut self.call {
            Some(call) => call.publish(stamped)?,
            None => self.log.extend(stamped),
        }
        Ok(ids)
    }

    fn stamp(&mut self, source: &str, trace_parent: Option<String>, event: &NewEvent) -> Published {
        self.ids += 1;
        let NewEvent { topic, key, content_type, payload } = event.clone();
        Published {
            id: format!("00000000-0000-7000-8000-{:012x}", self.ids),
            source: source.to_owned(),
            topic,
            key,
            content_type,
            payload,
            time_ms: self.now_ms.try_into().unwrap_or(0),
            trace_parent,
        }
    }
}

impl Transaction {
    /// Refuses what the call may not publish, whatever is in it.
    fn require_publishing(&self, events: &[NewEvent]) -> Result<(), Error> {
        use crate::bindings::http::backplane::plugin::kv;
        self.require(Access::Write).map_err(|error| match error {
            kv::Error::NoTransaction => Error::NoTransaction,
            kv::Error::ReadOnly => Error::ReadOnly,
            _ => Error::Unavailable,
        })?;
        for event in events {
            rules::check_topic(&event.topic)?;
            if !self.publishes().iter().any(|pattern| rules::matches(pattern, &event.topic)) {
                return Err(Error::TopicNotDeclared);
            }
        }
        Ok(())
    }
}

/// Stands in for the interface `events`.
pub(crate) mod events {
    use super::{Error, NewEvent, change};

    pub(crate) fn publish(event: &NewEvent) -> Result<String, Error> {
        let ids = publish_many(std::slice::from_ref(event))?;
        Ok(ids.into_iter().next().expect("as many ids come back as events went in"))
    }

    pub(crate) fn publish_many(events: &[NewEvent]) -> Result<Vec<String>, Error> {
        change(|keyspace| keyspace.publish(events))
    }
}
