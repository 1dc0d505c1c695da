//! How far subscriptions and schedules are, as the store has it.

use std::sync::Arc;

use backplane_events::{
    Applied, BoxFuture, PauseReason, PortError, Progress, ProgressStore, ScheduleId, ScheduleName, ScheduleProgress,
    Step, SubscriptionId, SubscriptionName, UnixMs,
};
use backplane_store::{CommitError, Connection, Store, StoreError, events as stored};

use super::translate_events;

/// Keeps the progress of subscriptions and schedules.
pub struct StoredProgress(pub Arc<Store>);

impl StoredProgress {
    /// Writes, and translates what comes of it.
    fn write<T, U, E>(
        &self,
        write: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        translate: impl FnOnce(T) -> Result<U, PortError> + Send + 'static,
    ) -> BoxFuture<'static, Result<U, PortError>>
    where
        T: Send + 'static,
        E: std::error::Error + From<StoreError> + Send + Sync + 'static,
    {
        let pending = self.0.write(write);
        Box::pin(async { translate(pending.await.map_err(|error| PortError(Box::new(error)))?) })
    }
}

impl ProgressStore for StoredProgress {
    fn open(&self, name: SubscriptionName, now: UnixMs) -> BoxFuture<'_, Result<Progress, PortError>> {
        self.write(
            move |connection| stored::open_subscription(connection, &name.plugin, name.pattern.as_str(), now.0),
            |progress| translate_events::progress(progress).map_err(|error| PortError(Box::new(error))),
        )
    }

    fn close(&self, id: SubscriptionId, now: UnixMs) -> BoxFuture<'_, Result<(), PortError>> {
        self.write(move |connection| stored::close_subscription(connection, id.0, now.0), Ok)
    }

    fn pause(&self, id: SubscriptionId, reason: PauseReason) -> BoxFuture<'_, Result<(), PortError>> {
        let word = translate_events::pause_word(reason);
        self.write(move |connection| stored::pause_subscription(connection, id.0, word), |_was_going| Ok(()))
    }

    fn apply(&self, step: Step) -> BoxFuture<'_, Applied> {
        let submitted = self.0.apply_step(translate_events::step(step));
        Box::pin(async {
            let pending = match submitted {
                Ok(pending) => pending,
                Err(error) => return applied(&error),
            };
            pending.await.map_or_else(|error| applied(&error), |_committed| Applied::Done)
        })
    }

    fn open_schedule(
        &self,
        name: ScheduleName,
        timing: Arc<str>,
        now: UnixMs,
    ) -> BoxFuture<'_, Result<ScheduleProgress, PortError>> {
        self.write(
            move |connection| stored::open_schedule(connection, &name.plugin, &name.handler, &timing, now.0),
            |progress| Ok(ScheduleProgress { id: ScheduleId(progress.id), done_to: UnixMs(progress.done_to_ms) }),
        )
    }

    fn close_schedule(&self, id: ScheduleId) -> BoxFuture<'_, Result<(), PortError>> {
        self.write(move |connection| stored::close_schedule(connection, id.0), Ok)
    }
}

/// Says what became of a step that was not committed.
fn applied(error: &CommitError) -> Applied {
    match error {
        CommitError::Stale => Applied::Stale,
        CommitError::Unknown => Applied::Unknown,
        // The first are never said of a step on its own.
        CommitError::Conflict
        | CommitError::ReplyExists
        | CommitError::QuotaExceeded { .. }
        | CommitError::NotAnInteger { .. }
        | CommitError::EventLogFull { .. }
        | CommitError::Busy
        | CommitError::Unavailable(_) => Applied::Unavailable,
    }
}
