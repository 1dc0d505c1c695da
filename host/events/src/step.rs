//! What a delivery changes in a subscription's progress, as data for the store to apply.
//!
//! A step goes into the same commit as the subscriber's writes. It names everything that it expects, so a delivery that
//! was overtaken by anything, whatever it was, commits nothing: not its writes and not its step. That is the whole
//! reason why no effect can come about twice.

use crate::{
    event::Seq,
    lane::Lane,
    subscription::{DeadLetter, Epoch, RetryRow, SubscriptionId},
};

/// A change of a subscription's progress, all or nothing.
///
/// The store refuses it as stale, and with it the whole commit, unless
/// - the subscription has this epoch,
/// - each cursor stands where its [`CursorStep`] says,
/// - each [`RetryStep`] finds what it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose progress.
    pub subscription: SubscriptionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Cursors that move: one for each lane that a delivery or a sweep is of, none for a delivery of retries.
    pub cursors: Vec<CursorStep>,
    /// Rows of retries that come, change and go: no more than
    /// [`ROWS_PER_STEP_MAX`](crate::ROWS_PER_STEP_MAX).
    pub retries: Vec<RetryStep>,
    /// Dead letters that come. Where there is one of that event already, it is replaced.
    pub dead_letters: Vec<DeadLetter>,
}

/// A cursor that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorStep {
    /// Which one.
    pub lane: Lane,
    /// Where it must stand.
    pub from: Seq,
    /// Where it goes.
    pub to: Seq,
}

/// A row of retries that comes, changes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryStep {
    /// It comes; there must be no row of its event.
    Insert(RetryRow),
    /// It gets other attempts, another time and another problem; the row of its event must have had `attempts`.
    Replace {
        /// Attempts that the row must have now.
        attempts: u32,
        /// What it becomes.
        row: RetryRow,
    },
    /// It goes; the row of its event must have these attempts.
    Remove(RetryRow),
}

impl Step {
    pub(crate) fn new(subscription: SubscriptionId, epoch: Epoch) -> Self {
        Self { subscription, epoch, cursors: Vec::new(), retries: Vec::new(), dead_letters: Vec::new() }
    }
}
