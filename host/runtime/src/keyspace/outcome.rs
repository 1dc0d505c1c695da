//! What a transaction is committed for: an answer, events that were handled, or a run of a schedule.

use std::time::Duration;

use crate::bindings::exports::backplane::plugin::http_handler::Response;

/// What becomes true with a commit, besides what its transaction writes and publishes.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// Nothing: the handler answered with a problem, nothing is written, and only what it read is to be validated; or a
    /// gRPC method answered, which nobody keeps the answer of.
    Nothing,
    /// This answer will be sent.
    Answer(&'a Response),
    /// Events were handled.
    Handled(&'a Handled),
    /// A schedule's slot is dealt with.
    Ran(&'a Ran),
}

/// What came of events that were handed to a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// So many are handled, from the first on.
    pub count: usize,
    /// Why the one after them is not; without, it was not tried.
    pub failure: Option<EventFailure>,
    /// Since they were handed over.
    pub took: Duration,
}

/// What came of a run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Why it failed, if it did. The transaction is empty then.
    pub problem: Option<Problem>,
    /// Since it was handed over.
    pub took: Duration,
}

/// Why an event was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFailure {
    /// What that means for it.
    pub kind: EventFailureKind,
    /// What is kept of it.
    pub problem: Problem,
}

/// What a failure means for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFailureKind {
    /// It is tried again.
    Retry {
        /// After this time, where the handler said so; at most 24 hours.
        after: Option<Duration>,
    },
    /// It is a dead letter at once.
    Final,
    /// The handler trapped, exited, or used up its memory or its CPU time. It is tried again, and a subscription that
    /// does nothing else is paused.
    Trap,
}

/// What is kept of a failure, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 1 to 64 of `a-z`, `0-9` and `_`.
    pub code: String,
    /// At most 1,024 bytes.
    pub message: String,
}
