//! Deletes what the log of events is not to keep, step by step.

use diesel::prelude::*;
use tokio::sync::oneshot;

use super::{Core, event_ledger::EventUsage, job::outcome, load::Charge};
use crate::{
    error::StoreError,
    events::{self, CollectStep, CollectedEvents, RetentionLimits},
};

/// A step, and who waits for it.
pub(crate) struct Retention {
    limits: RetentionLimits,
    now_ms: i64,
    outcome: Option<Result<CollectedEvents, StoreError>>,
    done: oneshot::Sender<Result<CollectedEvents, StoreError>>,
    _charge: Charge,
}

impl Retention {
    pub(crate) fn new(
        limits: RetentionLimits,
        now_ms: i64,
        done: oneshot::Sender<Result<CollectedEvents, StoreError>>,
        charge: Charge,
    ) -> Self {
        Self { limits, now_ms, outcome: None, done, _charge: charge }
    }

    pub(super) fn run(&mut self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<()> {
        let detached = events::delete_detached(connection, self.now_ms)?;
        let collected = if detached > 0 {
            // The log's turn is the next step's, which may find more to delete.
            CollectedEvents { detached, more: true, ..CollectedEvents::default() }
        } else {
            self.collect_events(connection, core)?
        };
        self.outcome = Some(Ok(collected));
        Ok(())
    }

    fn collect_events(&self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<CollectedEvents> {
        let (bytes, after) = (core.events.bytes(), core.events.collected_to);
        let step = CollectStep { limits: self.limits, now_ms: self.now_ms, bytes, after };
        let outcome = events::collect(connection, step)?;
        for gone in outcome.gone {
            let less = EventUsage { events: -1, bytes: -gone.bytes };
            core.events.add(connection, gone.plugin_id, &gone.publisher, less)?;
        }
        core.events.collected_to = outcome.after;
        Ok(outcome.collected)
    }

    pub(super) fn answer(self, fate: Result<(), &StoreError>) {
        // Who waited may have gone.
        let _ = self.done.send(outcome(self.outcome, fate));
    }
}
