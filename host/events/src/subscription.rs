//! What a subscription is, and what of it outlives the process.

use std::{sync::Arc, time::Duration};

use crate::{
    event::{EventKey, Seq},
    lane::LANES,
    time::UnixMs,
    topic::Pattern,
};

/// How long the progress of a subscription that nobody declares any more is kept. Declared again within this time it
/// goes on where it was; after it, it begins anew at the end of the log.
pub const DETACHED_KEPT: Duration = Duration::from_hours(7 * 24);

/// Names a subscription: one plugin and one pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionName {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Which topics it takes.
    pub pattern: Pattern,
}

/// A subscription as a plugin declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSpec {
    /// Which topics it takes.
    pub pattern: Pattern,
    /// Attempts of one event before it is a dead letter: 1 to
    /// [`RetryPolicy::ATTEMPTS_MAX`](crate::RetryPolicy::ATTEMPTS_MAX), 12 by default.
    pub attempts: u32,
}

/// The store's number for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub i64);

/// Counts the times that a subscription's progress was set by something else than a delivery: a replay, or a beginning
/// anew. A step of an earlier epoch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// What outlives the process.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Its number.
    pub id: SubscriptionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// For each lane, the last event that is behind the subscription: handled, not for it, or in `retries`, or a dead
    /// letter.
    pub cursors: [Seq; LANES],
    /// Events that failed, and those behind them. At most
    /// [`Limits::retries_per_subscription`](crate::Limits::retries_per_subscription).
    pub retries: Vec<RetryRow>,
    /// How many dead letters it has.
    pub dead_letters: u64,
    /// Why it is paused, if it is.
    pub paused: Option<PauseReason>,
}

/// An event that waits to be tried: because it failed, or because an earlier event of its key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRow {
    /// The event. One subscription has one row for it at most.
    pub seq: Seq,
    /// Its key.
    pub key: Option<EventKey>,
    /// Attempts that were made: 0 where it waits behind another event.
    pub attempts: u32,
    /// When it may be tried, by the dispatcher's clock, once it is the first of its key.
    pub due: UnixMs,
    /// Why its last attempt failed. Policy does not read it: [`Progress`] may leave it out.
    pub problem: Option<Problem>,
}

/// What a handler said, or what was said of it, when an event failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A word for machines.
    pub code: Arc<str>,
    /// A sentence for people.
    pub message: Arc<str>,
}

impl Problem {
    /// Longest code in bytes; a longer one is cut.
    pub const CODE_BYTES_MAX: usize = 64;
    /// Longest message in bytes; a longer one is cut.
    pub const MESSAGE_BYTES_MAX: usize = 1024;

    /// Makes a problem of bounded size.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: cut(code, Self::CODE_BYTES_MAX).into(), message: cut(message, Self::MESSAGE_BYTES_MAX).into() }
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// An event that nobody tries any more unless a person says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event. The log keeps it while there is a dead letter of it.
    pub seq: Seq,
    /// Its key.
    pub key: Option<EventKey>,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it died, by the time of day.
    pub at: UnixMs,
    /// Why.
    pub problem: Problem,
}

/// Why a subscription is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// A person said so.
    Asked,
    /// Its handler trapped on one event after another.
    Trapping,
    /// It has as many dead letters as it may have.
    DeadLetters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_cut_between_characters() {
        let problem = Problem::new(&"c".repeat(65), &"é".repeat(600));
        assert_eq!((problem.code.len(), problem.message.len()), (64, 1024));
        let problem = Problem::new("code", &format!("x{}", "é".repeat(600)));
        assert_eq!(problem.message.len(), 1023);
    }
}
