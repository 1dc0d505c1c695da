//! Dead letters as the API shows them, and what they are called.

use std::fmt;

use backplane_store::events::{Dead, Event, SubscriptionStatus};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    clock::timestamp,
    problem::{ApiError, codes},
};

/// What a dead letter is called: its subscription's number and its event's place, such as `3-1042`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeadLetterId {
    pub(super) subscription: i64,
    pub(super) seq: i64,
}

/// A dead letter.
#[derive(Debug, Serialize)]
pub(super) struct DeadLetterView {
    id: String,
    subscription: i64,
    plugin: String,
    pattern: String,
    /// The event's place in the log.
    sequence: i64,
    /// What the event is about.
    topic: Option<String>,
    /// The event's id.
    event_id: Option<String>,
    key: Option<String>,
    /// Attempts that were made.
    attempts: u32,
    /// When it died.
    at: Timestamp,
    /// Why its last attempt failed.
    code: String,
    message: String,
}

impl DeadLetterId {
    pub(super) fn of(dead: &Dead) -> Self {
        Self { subscription: dead.subscription, seq: dead.letter.seq }
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.subscription, self.seq)
    }
}

impl DeadLetterView {
    /// Shows a dead letter of a subscription. The log keeps its event for as long as there is the letter.
    pub(super) fn new(dead: Dead, event: Option<&Event>, of: &SubscriptionStatus) -> Self {
        Self {
            id: DeadLetterId::of(&dead).to_string(),
            subscription: dead.subscription,
            plugin: of.plugin.clone(),
            pattern: of.pattern.clone(),
            sequence: dead.letter.seq,
            topic: event.map(|event| event.topic.to_string()),
            event_id: event.map(|event| event.id.to_string()),
            key: dead.letter.key.map(|key| key.to_string()),
            attempts: dead.letter.attempts,
            at: timestamp(dead.letter.at_ms),
            code: dead.letter.problem.code.to_string(),
            message: dead.letter.problem.message.to_string(),
        }
    }
}

/// Reads what a dead letter is called.
///
/// # Errors
/// `unknown_dead_letter` for what cannot be one.
pub(super) fn parse_id(text: &str) -> Result<DeadLetterId, ApiError> {
    let number = |text: &str| text.parse().ok().filter(|number: &i64| *number > 0 && !text.starts_with('+'));
    let id = text
        .split_once('-')
        .and_then(|(subscription, seq)| Some(DeadLetterId { subscription: number(subscription)?, seq: number(seq)? }));
    id.ok_or_else(unknown_dead_letter)
}

pub(super) fn unknown_dead_letter() -> ApiError {
    ApiError::new(codes::UNKNOWN_DEAD_LETTER, "no dead letter has this id: `GET /api/dead-letters` lists them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_dead_letter_is_called() {
        let id = parse_id("3-1042").expect("an id");
        assert_eq!((id.subscription, id.seq), (3, 1042));
        for text in ["", "-", "3", "3-", "-3", "3-0", "0-3", "a-1", "1-a", "1-+1", "1--1", "1-99999999999999999999"] {
            assert_eq!(
                parse_id(text).err().map(|error| error.code().to_owned()).as_deref(),
                Some("unknown_dead_letter")
            );
        }
    }
}
