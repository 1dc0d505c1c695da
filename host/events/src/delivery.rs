//! A delivery: some events on their way to one subscriber, and the step that their outcome makes.
//!
//! The events of a delivery are handled one after another, in their order, within one transaction: what a handled event
//! wrote stays though a later one fails. At the first that fails the delivery ends. The step is worked out here, without
//! I/O, between the handler's return and the commit.

use std::{sync::Arc, time::Duration};

use crate::{
    event::{Event, Seq},
    lane::Lane,
    retry::RetryPolicy,
    step::{CursorStep, RetryStep, Step},
    subscription::{DeadLetter, Epoch, Problem, RetryRow, SubscriptionId, SubscriptionName},
    time::UnixMs,
};

/// The dispatcher's number for a piece of work on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// Some events on their way to one subscriber.
#[derive(Debug)]
pub struct Delivery {
    /// Its number.
    pub ticket: Ticket,
    /// Who gets them.
    pub name: SubscriptionName,
    /// The events, at least one, in the order in which they are to be handled.
    pub items: Vec<Item>,
    pub(crate) subscription: SubscriptionId,
    pub(crate) epoch: Epoch,
    pub(crate) attempts_max: u32,
    pub(crate) retry: RetryPolicy,
    /// Picks the delay, if one is needed.
    pub(crate) random: u64,
    /// When it began, by the dispatcher's clock.
    pub(crate) began: UnixMs,
    /// The same by the time of day: what its dead letters are dated by.
    pub(crate) dated: UnixMs,
    pub(crate) way: Way,
}

/// An event of a delivery.
#[derive(Debug, Clone)]
pub struct Item {
    /// The event.
    pub event: Arc<Event>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// Where the events of a delivery come from.
#[derive(Debug)]
pub(crate) enum Way {
    /// Lanes of the log, one after another.
    Lanes(Vec<LanePart>),
    /// Rows of retries, all of one key.
    Chain,
}

/// What of a delivery is of one lane.
#[derive(Debug)]
pub(crate) struct LanePart {
    pub(crate) lane: Lane,
    /// Where the cursor stands.
    pub(crate) from: Seq,
    /// Where it goes when every event is handled.
    pub(crate) to: Seq,
    /// How many of the events are of this lane.
    pub(crate) items: usize,
    /// Events in between that have to wait behind one of their key.
    pub(crate) held: Vec<RetryRow>,
}

/// Why an event was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What that means for it.
    pub kind: FailureKind,
    /// What is kept of it.
    pub problem: Problem,
}

/// What a failure means for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It is tried again. Also where the handler ran out of time: what it waited for may be faster next time.
    Retry {
        /// After this time, where the handler said so.
        after: Option<Duration>,
    },
    /// It is a dead letter at once.
    Final,
    /// The handler trapped, exited or ran out of memory: it is tried again, and a subscription whose events all do that
    /// is paused.
    Trap,
}

/// What came of a delivery: the step to commit, and what the dispatcher learns from it.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// To be applied in the commit that holds what the handled events wrote.
    pub step: Step,
    /// How many events were handled.
    pub(crate) handled: usize,
    /// The event that trapped.
    pub(crate) trapped: Option<Seq>,
    /// How long it took until then.
    pub(crate) took: Duration,
}

/// What became of a piece of work.
#[derive(Debug, Clone)]
pub enum Settled {
    /// It is committed, and on disk.
    Committed(Conclusion),
    /// The store refused its step. Nothing is committed.
    Stale,
    /// It could not be tried, or not be committed, for a reason that is not the events': the plugin is busy or not live,
    /// the store is full or unavailable. Nothing is committed, and it counts as no attempt.
    Postponed,
    /// Nobody can say whether it is committed.
    Unknown,
}

impl Delivery {
    /// Works out the step: the first `handled` events are handled, and the one after them failed, if `failure` says so.
    ///
    /// Without a failure the rest was not tried, and is delivered again. `took` is the time since the delivery came, by a
    /// clock that nobody sets: the dispatcher's own goes on evenly, whatever the time of day does.
    pub fn conclude(&self, handled: usize, failure: Option<Failure>, took: Duration) -> Conclusion {
        let handled = handled.min(self.items.len());
        let failed = failure.and_then(|failure| Some((self.items.get(handled)?, failure)));
        let trapped = failed.as_ref().filter(|(_, failure)| failure.kind == FailureKind::Trap);
        let trapped = trapped.map(|(item, _)| item.event.seq);
        let mut step = Step::new(self.subscription, self.epoch);
        match &self.way {
            Way::Lanes(parts) => self.move_cursors(parts, handled + usize::from(failed.is_some()), &mut step),
            Way::Chain => {
                let rows = self.items.iter().take(handled).map(|item| RetryStep::Remove(item.row()));
                step.retries.extend(rows);
            }
        }
        if let Some((item, failure)) = failed {
            self.fail(item, failure, took, &mut step);
        }
        Conclusion { step, handled, trapped, took }
    }

    /// Moves the cursors of the lanes of which something was tried, and of the first in any case, so that it is checked.
    fn move_cursors(&self, parts: &[LanePart], tried: usize, step: &mut Step) {
        let last_tried = tried.checked_sub(1).and_then(|index| self.items.get(index)).map(|item| item.event.seq);
        let mut begin = 0;
        for part in parts {
            let end = begin + part.items;
            let to = if tried >= end { part.to } else { last_tried.unwrap_or(part.from) };
            step.cursors.push(CursorStep { lane: part.lane, from: part.from, to });
            step.retries.extend(part.held.iter().filter(|row| row.seq <= to).cloned().map(RetryStep::Insert));
            if tried <= end {
                return;
            }
            begin = end;
        }
    }

    fn fail(&self, item: &Item, failure: Failure, took: Duration, step: &mut Step) {
        let Failure { kind, problem } = failure;
        let before = item.row();
        let is_last = kind == FailureKind::Final || item.attempt >= self.attempts_max;
        if is_last {
            let (seq, key, at) = (before.seq, before.key.clone(), self.dated.after(took));
            step.dead_letters.push(DeadLetter { seq, key, attempts: item.attempt, at, problem });
            if matches!(self.way, Way::Chain) {
                step.retries.push(RetryStep::Remove(before));
            }
            return;
        }
        let asked = match kind {
            FailureKind::Retry { after } => after,
            FailureKind::Final | FailureKind::Trap => None,
        };
        let due = self.began.after(took).after(self.retry.delay(item.attempt, asked, self.random));
        let row = RetryRow { attempts: item.attempt, due, problem: Some(problem), ..before };
        step.retries.push(match self.way {
            Way::Lanes(_) => RetryStep::Insert(row),
            Way::Chain => RetryStep::Replace { attempts: item.attempt - 1, row },
        });
    }
}

impl Item {
    /// An event that was not tried before.
    pub(crate) fn first(event: Arc<Event>) -> Self {
        Self { event, attempt: 1 }
    }

    /// Returns the row of retries that this attempt found, or would have.
    fn row(&self) -> RetryRow {
        RetryRow {
            seq: self.event.seq,
            key: self.event.key.clone(),
            attempts: self.attempt.saturating_sub(1),
            due: UnixMs(0),
            problem: None,
        }
    }
}

impl Failure {
    /// The event is tried again, after `after` where the handler said so.
    pub fn retry(after: Option<Duration>, problem: Problem) -> Self {
        Self { kind: FailureKind::Retry { after }, problem }
    }

    /// The event is a dead letter at once.
    pub fn fatal(problem: Problem) -> Self {
        Self { kind: FailureKind::Final, problem }
    }

    /// The handler trapped.
    pub fn trap(problem: Problem) -> Self {
        Self { kind: FailureKind::Trap, problem }
    }
}

impl Conclusion {
    /// A step without a handler.
    pub(crate) fn of(step: Step) -> Self {
        Self { step, handled: 0, trapped: None, took: Duration::ZERO }
    }
}
