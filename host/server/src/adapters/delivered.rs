//! The state of a plugin for one delivery of events, and for one run of a schedule: what the handler wrote is committed
//! together with the step that says so.

use std::{
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use backplane_events::{Conclusion, Delivery, ScheduleStep};
use backplane_runtime::keyspace::{
    BoxFuture, CommitError, Handled, Keyspace, Moment, Outcome, Row, Snapshot, StateUnavailable, Transaction,
};
use backplane_store::Commit;

use super::{PluginState, translate_events};

/// The state of a plugin for one delivery.
pub(super) struct Delivered {
    state: Arc<PluginState>,
    delivery: Arc<Delivery>,
    /// Whether the step is committed after the effects. Only a test wants that.
    step_apart: bool,
    /// Of the last commit.
    conclusion: Mutex<Option<Conclusion>>,
}

/// What is to be committed is not what this is for.
#[derive(Debug, thiserror::Error)]
#[error("a transaction was committed for another outcome than it was begun for")]
struct OtherOutcome;

fn other_outcome() -> CommitError {
    CommitError::Refused(Box::new(OtherOutcome))
}

impl Delivered {
    pub(super) fn new(state: Arc<PluginState>, delivery: Arc<Delivery>, step_apart: bool) -> Self {
        Self { state, delivery, step_apart, conclusion: Mutex::default() }
    }

    /// Returns what the last commit said of the delivery.
    pub(super) fn take_conclusion(&self) -> Option<Conclusion> {
        self.conclusion.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn conclude(&self, handled: &Handled) -> Conclusion {
        let failure = handled.failure.as_ref().map(translate_events::failure);
        let conclusion = self.delivery.conclude(handled.count, failure, handled.took);
        *self.conclusion.lock().unwrap_or_else(PoisonError::into_inner) = Some(conclusion.clone());
        conclusion
    }

    /// Commits the effects, and then the step: whoever is killed in between has them twice.
    fn commit_apart(
        &self,
        transaction: Transaction,
        outcome: Outcome<'_>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let Outcome::Handled(handled) = outcome else { return Box::pin(ready(Err(other_outcome()))) };
        let step = translate_events::step(self.conclude(handled).step);
        let (effects, state) = (self.state.submit(transaction, |_| Ok(())), Arc::clone(&self.state));
        Box::pin(async move {
            effects.await?;
            let complete = |commit: &mut Commit| {
                commit.step = Some(step);
                Ok(())
            };
            state.submit(Transaction::default(), complete).await
        })
    }
}

impl Keyspace for Delivered {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        self.state.snapshot()
    }

    fn moment(&self) -> Option<Moment> {
        self.state.moment()
    }

    fn find_recent(&self, moment: Moment, bucket: &str, key: &[u8]) -> Option<Row> {
        self.state.find_recent(moment, bucket, key)
    }

    fn records_answer(&self) -> bool {
        false
    }

    fn new_event_id(&self) -> String {
        self.state.new_event_id()
    }

    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        if self.step_apart {
            return self.commit_apart(transaction, outcome);
        }
        self.state.submit(transaction, |commit| {
            let Outcome::Handled(handled) = outcome else { return Err(other_outcome()) };
            commit.step = Some(translate_events::step(self.conclude(handled).step));
            Ok(())
        })
    }
}

/// The state of a plugin for one run of a schedule.
pub(super) struct Scheduled {
    pub(super) state: Arc<PluginState>,
    pub(super) step: ScheduleStep,
}

impl Keyspace for Scheduled {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        self.state.snapshot()
    }

    fn moment(&self) -> Option<Moment> {
        self.state.moment()
    }

    fn find_recent(&self, moment: Moment, bucket: &str, key: &[u8]) -> Option<Row> {
        self.state.find_recent(moment, bucket, key)
    }

    fn records_answer(&self) -> bool {
        false
    }

    fn new_event_id(&self) -> String {
        self.state.new_event_id()
    }

    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        self.state.submit(transaction, |commit| {
            let Outcome::Ran(ran) = outcome else { return Err(other_outcome()) };
            commit.schedule_step = Some(translate_events::schedule_step(self.step, ran, commit.now_ms));
            Ok(())
        })
    }
}
