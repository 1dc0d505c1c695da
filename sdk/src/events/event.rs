//! An event that somebody has published, as its handler takes it.

use std::mem::take;
use std::time::{Duration, SystemTime};

use super::Payload;
use crate::trigger::FromTrigger;
use crate::{Problem, Result, bindings};

/// An event, the argument of a function with [`#[on]`](macro@crate::on).
///
/// `T` says how the payload is read: [`Bytes`](crate::respond::Bytes) as it is, [`Text`](crate::respond::Text) as UTF-8,
/// and any type that `serde` can deserialize as JSON. A payload that does not fit is a dead letter at once, with the code
/// `invalid_payload`: trying again would not change it. To decide otherwise, take `Result<Event<T>, Problem>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<T> {
    /// Names the event for good, together with its source. Whoever handles it for the second time sees the same: it is
    /// fit as an idempotency key for effects outside of the host.
    pub id: String,
    /// Who published it: `/plugins/<name>`, `/clients/<subject>`, or what a client said.
    pub source: String,
    /// What it is about.
    pub topic: String,
    /// Events of one key are handled in their order.
    pub key: Option<String>,
    /// Media type of the payload.
    pub content_type: String,
    /// What it carries.
    pub payload: T,
    /// When it was published, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl<T> Event<T> {
    /// Returns when it was published.
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.time_ms)
    }
}

type Delivered = bindings::event::exports::backplane::plugin::event_handler::Event;

impl<T: Payload> FromTrigger<Delivered> for Event<T> {
    fn from_trigger(event: &mut Delivered) -> Result<Self> {
        let payload = T::read(&event.content_type, take(&mut event.payload))
            .map_err(|fault| Problem::new(422, "invalid_payload", format!("the payload {fault}")).fatal())?;
        Ok(Event {
            id: take(&mut event.id),
            source: take(&mut event.source),
            topic: take(&mut event.topic),
            key: take(&mut event.key),
            content_type: take(&mut event.content_type),
            payload,
            time_ms: event.time_ms,
            attempt: event.attempt,
        })
    }
}
