//! How far a subscription is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DeadLetter, Outcome};
use crate::bindings::event::exports::backplane::plugin::event_handler::{Failure, Retry};
use crate::testing::keyspace::{Published, matches};
use crate::testing::manifest::Subscription;

/// Longest first delay, and longest of all, when the handler asks for none; and the longest that it may ask for.
const DELAY_BASE: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_mins(15);
const DELAY_ASKED_MAX: Duration = Duration::from_hours(24);

/// What a subscription has handled, and what it has still to do.
#[derive(Default)]
pub(super) struct Progress {
    /// Place in the log of the first event that was not looked at.
    next: usize,
    /// Events that wait: for their time, or behind one of their key.
    waiting: BTreeMap<usize, Waiting>,
    dead_letters: Vec<DeadLetter>,
}

struct Waiting {
    key: Option<String>,
    attempts: u32,
    due_ms: i64,
}

impl Progress {
    /// Finds the first event that is due: its place in the log, and the number of this attempt. It waits until it is
    /// settled.
    pub(super) fn next(&mut self, log: &[Published], pattern: &str, now_ms: i64) -> Option<(usize, u32)> {
        let is_due =
            |(seq, waiting): &(&usize, &Waiting)| waiting.due_ms <= now_ms && !self.is_held(**seq, &waiting.key);
        if let Some((seq, waiting)) = self.waiting.iter().find(is_due) {
            return Some((*seq, waiting.attempts + 1));
        }
        while let Some(event) = log.get(self.next) {
            let seq = self.next;
            self.next += 1;
            if matches(pattern, &event.topic) {
                let is_held = self.is_held(seq, &event.key);
                self.waiting.insert(seq, Waiting { key: event.key.clone(), attempts: 0, due_ms: 0 });
                if !is_held {
                    return Some((seq, 1));
                }
            }
        }
        None
    }

    /// Returns whether an earlier event of the same key waits.
    fn is_held(&self, seq: usize, key: &Option<String>) -> bool {
        key.is_some() && self.waiting.range(..seq).any(|(_, waiting)| waiting.key == *key)
    }

    /// Leaves an event as it is: the attempt did not count.
    pub(super) fn postpone(&mut self, seq: usize, number: u32) {
        if let Some(waiting) = self.waiting.get_mut(&seq) {
            waiting.attempts = number - 1;
        }
    }

    /// Notes what came of an attempt.
    pub(super) fn settle(
        &mut self,
        (seq, event): (usize, &Published),
        number: u32,
        subscription: &Subscription,
        failure: Option<&Failure>,
        now_ms: i64,
    ) -> Outcome {
        let Some(Failure { problem, retry }) = failure else {
            self.waiting.remove(&seq);
            return Outcome::Handled;
        };
        let code = problem.code.clone();
        if matches!(retry, Retry::Never) || number >= subscription.attempts {
            self.waiting.remove(&seq);
            self.dead_letters.push(DeadLetter {
                handler: subscription.handler.clone(),
                event: event.clone(),
                attempts: number,
                code: code.clone(),
                message: problem.message.clone(),
            });
            return Outcome::DeadLetter { code };
        }
        let after = match retry {
            Retry::AfterMs(asked_ms) => Duration::from_millis(*asked_ms).min(DELAY_ASKED_MAX),
            Retry::Later | Retry::Never => delay(number),
        };
        let due_ms = now_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        self.waiting.insert(seq, Waiting { key: event.key.clone(), attempts: number, due_ms });
        Outcome::Retry { code, after }
    }

    pub(super) fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }
}

/// Returns the longest that a host waits after an attempt.
fn delay(number: u32) -> Duration {
    let factor = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
    DELAY_BASE.saturating_mul(factor).min(DELAY_MAX)
}
