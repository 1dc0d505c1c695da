//! Those who handle events and schedules: the plugins that are live.
//!
//! Which generation handles is decided when a delivery comes; it stays that to the end, whatever is published meanwhile.

use std::sync::Arc;

use backplane_events::{Applied, BoxFuture, Conclusion, Delivery, ScheduleRun, Settled, Subscribers};
use backplane_runtime::{
    self as runtime, CallContext, Generation, InvokeError,
    keyspace::{CommitError, EventFailure, EventFailureKind, Handled, Keyspace},
};
use tokio::time::Instant;

use super::{
    PluginState,
    delivered::{Delivered, Scheduled},
    translate_events,
};
use crate::{live::Live, middleware::request_id::RequestId, problem::Chain};

/// How much longer than one handler a delivery, or a run of a schedule, may take before it is not repeated for the sake
/// of other calls.
const REPEATED_FOR: u32 = 4;

/// Hands events and runs of schedules to the plugins that are live.
pub struct LivePlugins {
    /// Which ones are live.
    pub live: Arc<Live>,
    /// Whether steps are committed after the effects that they belong to.
    pub step_apart: bool,
}

/// A plugin that is live.
struct Found {
    generation: Arc<Generation>,
    state: Arc<PluginState>,
    step_apart: bool,
}

impl LivePlugins {
    fn find(&self, plugin: &str) -> Option<Found> {
        let snapshot = self.live.snapshot();
        let mounted = &snapshot.plugins.get(plugin)?.mounted;
        let (generation, state) = (Arc::clone(&mounted.generation), Arc::clone(&mounted.state));
        Some(Found { generation, state, step_apart: self.step_apart })
    }
}

impl Subscribers for LivePlugins {
    fn deliver(&self, delivery: Arc<Delivery>) -> BoxFuture<'static, Settled> {
        let found = self.find(&delivery.name.plugin);
        Box::pin(async move {
            // It may have gone, and another generation may not have come yet.
            let Some(found) = found else { return Settled::Postponed };
            found.deliver(delivery).await
        })
    }

    fn run_schedule(&self, run: ScheduleRun) -> BoxFuture<'static, Applied> {
        let found = self.find(&run.name.plugin);
        Box::pin(async move {
            let Some(found) = found else { return Applied::Unavailable };
            found.run_schedule(run).await
        })
    }
}

impl Found {
    async fn deliver(self, delivery: Arc<Delivery>) -> Settled {
        let subscriptions = &self.generation.manifest().subscriptions;
        let pattern = delivery.name.pattern.as_str();
        let Some(index) = position(subscriptions, |one| one.pattern.as_str() == pattern) else {
            return Settled::Postponed;
        };
        let events = delivery.items.iter().map(|item| translate_events::to_guest(item, index)).collect();
        let delivered = Arc::new(Delivered::new(self.state, Arc::clone(&delivery), self.step_apart));
        let call = call(&self.generation, Arc::<Delivered>::clone(&delivered));
        let request_id = call.request_id.clone();
        let ended = self.generation.handle_events(events, call).await;
        match (ended, delivered.take_conclusion()) {
            (Ok(handled), Some(conclusion)) => {
                log_failure(&self.generation, &delivery, &handled, &conclusion, &request_id);
                Settled::Committed(conclusion)
            }
            // It was said to be committed, and nobody was asked to.
            (Ok(_), None) => Settled::Unknown,
            (Err(error), _) => settled(&self.generation, &error, &request_id),
        }
    }

    async fn run_schedule(self, run: ScheduleRun) -> Applied {
        let schedules = &self.generation.manifest().schedules;
        let handler = &*run.name.handler;
        let Some(schedule) = position(schedules, |one| one.handler == handler) else { return Applied::Unavailable };
        let scheduled = Arc::new(Scheduled { state: self.state, step: run.step });
        let call = call(&self.generation, scheduled);
        let request_id = call.request_id.clone();
        let slot_ms = run.slot.0.max(0).unsigned_abs();
        match self.generation.handle_schedule(runtime::ScheduleRun { schedule, slot_ms }, call).await {
            Ok(ran) => {
                if let Some(problem) = ran.problem {
                    let (plugin, code, message) = (&*run.name.plugin, problem.code, problem.message);
                    tracing::warn!(plugin, handler, code, message, request_id, "a run of a schedule failed");
                }
                Applied::Done
            }
            Err(error) => match settled(&self.generation, &error, &request_id) {
                Settled::Stale => Applied::Stale,
                Settled::Postponed => Applied::Unavailable,
                Settled::Committed(_) | Settled::Unknown => Applied::Unknown,
            },
        }
    }
}

fn position<T>(declared: &[T], is_meant: impl Fn(&T) -> bool) -> Option<u32> {
    declared.iter().position(is_meant).and_then(|index| u32::try_from(index).ok())
}

/// Makes the context of a call that nobody waits for.
fn call(generation: &Generation, keyspace: Arc<dyn Keyspace>) -> CallContext {
    CallContext {
        request_id: RequestId::generate().to_string(),
        principal: None,
        trace_parent: None,
        deadline: Instant::now() + generation.limits().timeout * REPEATED_FOR,
        keyspace: Some(keyspace),
    }
}

/// Says what became of a call that ended without an outcome of its own.
fn settled(generation: &Generation, error: &InvokeError, request_id: &str) -> Settled {
    let settled = match error {
        InvokeError::Commit(CommitError::Stale) => Settled::Stale,
        InvokeError::Commit(CommitError::Unknown) | InvokeError::Lost => Settled::Unknown,
        _ => Settled::Postponed,
    };
    let (plugin, error) = (&generation.manifest().name, Chain(error).to_string());
    match settled {
        // What is overtaken is dealt with elsewhere.
        Settled::Stale => tracing::debug!(%plugin, error, request_id, "a delivery was overtaken"),
        _ => tracing::info!(%plugin, error, request_id, "a delivery came to nothing, and is made again"),
    }
    settled
}

/// Logs why an event was not handled, as far as an operator has to know.
fn log_failure(
    generation: &Generation,
    delivery: &Delivery,
    handled: &Handled,
    conclusion: &Conclusion,
    request_id: &str,
) {
    let Some(EventFailure { kind, problem }) = &handled.failure else { return };
    let Some(item) = delivery.items.get(handled.count) else { return };
    let (plugin, version) = (&generation.manifest().name, &generation.manifest().version);
    let (pattern, event, topic, attempt) = (&delivery.name.pattern, &*item.event.id, &item.event.topic, item.attempt);
    let (code, message) = (&problem.code, &problem.message);
    if !conclusion.step.dead_letters.is_empty() {
        tracing::warn!(
            %plugin, %version, %pattern, event, %topic, attempt, code, message, request_id,
            "an event is a dead letter"
        );
    } else if *kind == EventFailureKind::Trap {
        tracing::warn!(
            %plugin, %version, %pattern, event, %topic, attempt, code, message, request_id,
            "a handler of an event failed; the event is tried again"
        );
    } else {
        tracing::debug!(
            %plugin, %version, %pattern, event, %topic, attempt, code, message, request_id,
            "an event was not handled; it is tried again"
        );
    }
}
