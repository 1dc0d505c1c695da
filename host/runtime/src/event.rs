//! An event as it comes in for a plugin's handler.

use crate::bindings::exports::backplane::plugin::event_handler;

/// An event for a plugin's handler.
#[derive(Debug, Clone)]
pub struct Event {
    /// What the handler gets.
    pub record: event_handler::Event,
    /// The trace that it belongs to (W3C `traceparent`), and with it what its handler publishes.
    pub trace_parent: Option<String>,
}
