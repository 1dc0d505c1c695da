//! Events as clients send and get them: CloudEvents 1.0 over HTTP, and plain bodies.
//!
//! A topic is the attribute `type`, the key is `partitionkey`, the trace is `traceparent`, and the place in the log is
//! `sequence`. What has no place in the log is refused, not lost in silence: see [`Attributes`]. Three modes come in
//! ([`structured`], [`binary`] and, as a list of structured ones, batched), and messages of gRPC, and one goes out ([`render`]).
//!
//! This module does not know who may publish what, nor what the log is.

mod attributes;
mod binary;
mod media_type;
mod message;
mod render;
mod structured;

use std::borrow::Cow;

use backplane_events::{EventKey, Topic};
use jiff::Timestamp;

use self::attributes::Attributes;
pub use self::{
    binary::{is_binary, read_binary, read_plain},
    media_type::MediaType,
    message::{EventMessage, read_message},
    render::{Outgoing, render},
    structured::{read_batch, read_structured, read_topics},
};

/// Media type of one event as JSON.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Media type of a list of events as JSON.
pub const BATCHED: &str = "application/cloudevents-batch+json";

/// Longest payload in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// Most events of a batch.
pub const BATCH_EVENTS_MAX: usize = 1000;
/// Longest id in bytes.
const ID_BYTES_MAX: usize = 64;
/// Longest source in bytes.
const SOURCE_BYTES_MAX: usize = 256;

/// An event as a client sent it. What it left out is for others to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// As the client chose it.
    pub id: Option<String>,
    /// Who the client says that it is.
    pub source: Option<String>,
    /// What it is about. Always there but where the path says it.
    pub topic: Option<Topic>,
    /// Events of one key stay in their order.
    pub key: Option<EventKey>,
    /// When it happened, as the client says.
    pub time: Option<Timestamp>,
    /// Media type of the payload.
    pub content_type: String,
    /// What it carries.
    pub payload: Vec<u8>,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

/// Why what a client sent is not an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadEventError {
    /// It is not one, for this reason.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// Its topic is not one.
    #[error("{0}")]
    Topic(String),
    /// Its payload is too long.
    #[error("the payload of an event may have at most {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    /// There are too many of them.
    #[error("a request may publish at most {BATCH_EVENTS_MAX} events")]
    TooMany,
}

impl ReadEventError {
    fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(reason.into())
    }

    /// Says which event of a list it is about.
    fn of_event(self, number: usize) -> Self {
        match self {
            Self::Invalid(reason) => Self::Invalid(format!("event {number}: {reason}").into()),
            Self::Topic(reason) => Self::Topic(format!("event {number}: {reason}")),
            other => other,
        }
    }
}
