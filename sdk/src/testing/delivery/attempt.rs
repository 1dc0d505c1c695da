//! What came of trying to handle an event.

use std::time::Duration;

use crate::testing::keyspace::Published;

/// One attempt to handle an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Name of the function with `#[on]`.
    pub handler: String,
    /// The event.
    pub event: Published,
    /// Which attempt of this event it was, from 1.
    pub number: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt to handle an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is handled, and what the handler wrote is committed.
    Handled,
    /// It failed, and is due again after this time, or at any time before on a host that picks a part of it.
    Retry {
        /// Code of the problem.
        code: String,
        /// How far the clock has to move.
        after: Duration,
    },
    /// It failed, and is not tried again.
    DeadLetter {
        /// Code of the problem.
        code: String,
    },
    /// The store failed, which is not the event's fault: it is due again, and this counts as no attempt.
    Postponed,
}

/// An event that is not tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Name of the function with `#[on]`.
    pub handler: String,
    /// The event.
    pub event: Published,
    /// How often it was tried.
    pub attempts: u32,
    /// Code of the last problem.
    pub code: String,
    /// Message of the last problem.
    pub message: String,
}
