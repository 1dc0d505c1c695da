//! One loaded version of a plugin, and the calls that run on it.
//!
//! A generation never changes. A new version, or new settings, make a new one; the old one takes no new calls,
//! finishes those it has, and is gone when the last of them is.

mod delivery;
mod failure;
mod handling;
mod run;
mod scheduled;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::{delivery::Delivery, scheduled::Scheduled};
use crate::{
    admission::Admission,
    bindings::exports::backplane::plugin::{
        grpc_handler::Call as GrpcCall, http_handler::Request, schedule_handler::Run as ScheduleRun,
    },
    call::{Call, Exchange},
    context::CallContext,
    descriptors::Descriptors,
    event::Event,
    hash::ContentHash,
    host::Host,
    instance::Blueprint,
    invoke::{Answer, GrpcAnswer, InvokeError},
    keyspace::{Handled, Ran},
    lane::{OnAbandon, Steered},
    limits::PluginLimits,
    manifest::{InstanceMode, Manifest, Transaction as Mode},
    meter::{Budget, Measured, Metered},
    pace::Pace,
    permits::Permits,
    pool::Pool,
    turns::{Contention, Turns},
};

/// New instances that are kept ready for the next calls, in the mode `fresh`.
const PREWARMED_MAX: usize = 4;
/// Instances that are kept between calls, in the mode `reused`.
const REUSED_MAX: usize = 32;

/// A plugin version that can be called.
pub struct Generation {
    manifest: Manifest,
    hash: ContentHash,
    mode: InstanceMode,
    host: Arc<Host>,
    blueprint: Blueprint,
    pool: Pool,
    permits: Arc<Permits>,
    /// Which routes' calls have been long; behind the routes stand the subscriptions, the schedules, and the
    /// gRPC methods.
    pace: Pace,
    /// Whose calls have been in each other's way, likewise.
    contention: Contention,
    retired: AtomicBool,
    calls: AtomicU64,
    failures: AtomicU64,
}

/// Counters of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Calls of its handlers that came to an end, good or bad: requests, gRPC calls, events, runs of schedules.
    pub calls: u64,
    /// Calls that ended in a trap, an exit, or over a limit.
    pub failures: u64,
    /// Requests and gRPC calls that run now.
    pub running: usize,
}

impl Generation {
    pub(crate) fn new(
        manifest: Manifest,
        hash: ContentHash,
        mode: InstanceMode,
        host: Arc<Host>,
        blueprint: Blueprint,
    ) -> Arc<Self> {
        let capacity = if mode == InstanceMode::Reused { REUSED_MAX } else { PREWARMED_MAX.max(host.threads) };
        let places = manifest.routes.len() + manifest.subscriptions.len() + manifest.schedules.len();
        let places = places + manifest.grpc_methods().count();
        let generation = Arc::new(Self {
            pool: Pool::new(capacity, host.threads, Arc::clone(&host.idle)),
            permits: Permits::new(blueprint.limits.concurrency_max),
            pace: Pace::new(places),
            contention: Contention::new(places),
            manifest,
            hash,
            mode,
            host,
            blueprint,
            retired: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        let idle_timeout = generation.host.limits.idle_timeout;
        generation.host.slow_lane.handle().spawn(sweep(Arc::downgrade(&generation), idle_timeout));
        generation
    }

    /// Returns what the plugin says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the hash of the component.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Returns how its instances are used, after the operator's word.
    pub fn mode(&self) -> InstanceMode {
        self.mode
    }

    /// Returns the bounds that hold for it.
    pub fn limits(&self) -> &PluginLimits {
        &self.blueprint.limits
    }

    /// Returns what the messages of its gRPC services look like, if it has such services.
    pub fn descriptors(&self) -> Option<&Arc<Descriptors>> {
        self.blueprint.descriptors.as_ref()
    }

    /// Returns how a route uses state.
    pub(crate) fn transaction_of(&self, route: u32) -> Mode {
        let route = usize::try_from(route).ok().and_then(|route| self.manifest.routes.get(route));
        route.map_or(Mode::None, |route| route.transaction)
    }

    /// Returns the wall time that a gRPC method has, whatever its caller leaves of it.
    pub(crate) fn timeout_of_method(&self, method: u32) -> Duration {
        let own = self.manifest.grpc_method(method).and_then(|method| method.timeout);
        self.blueprint.limits.timeout_of(own, &self.host.limits)
    }

    #[cfg(test)]
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.blueprint.plugin.commons.turns
    }

    pub(crate) fn contention(&self) -> &Contention {
        &self.contention
    }

    /// Returns its counters as they are now.
    pub fn counters(&self) -> Counters {
        Counters {
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            running: self.permits.taken(),
        }
    }

    /// Gives the ready instances back. Calls that run go on.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.pool.clear();
    }

    /// Runs the plugin's HTTP handler.
    ///
    /// # Errors
    /// When the guest did not answer. Its own refusals are an [`Answer`].
    ///
    /// # Cancel safety
    /// A dropped call stops or finishes as `on_abandon` says.
    pub fn handle_http(
        self: &Arc<Self>,
        request: Request,
        call: CallContext,
        on_abandon: OnAbandon,
    ) -> impl Future<Output = Result<Answer, InvokeError>> + Send {
        self.handle(request, call, on_abandon)
    }

    /// Runs the plugin's gRPC handler, which answers one call with a message or a status.
    ///
    /// The deadline may be the caller's: a call that left the method less than half of its time and misses it counts as
    /// no failure.
    ///
    /// # Errors
    /// When the guest did not answer. Its own refusals are a [`GrpcAnswer`].
    ///
    /// # Cancel safety
    /// As for [`Generation::handle_http`].
    pub fn handle_grpc(
        self: &Arc<Self>,
        call: GrpcCall,
        context: CallContext,
        on_abandon: OnAbandon,
    ) -> impl Future<Output = Result<GrpcAnswer, InvokeError>> + Send {
        self.handle(call, context, on_abandon)
    }

    /// What needs a look at the request comes before the future: one that was borrowed in it stays in it to its end.
    fn handle<E: Exchange>(
        self: &Arc<Self>,
        request: E,
        call: CallContext,
        on_abandon: OnAbandon,
    ) -> impl Future<Output = Result<Result<E::Reply, E::Refusal>, InvokeError>> + Send {
        let (place, hurry) = (request.place(self), request.hurry(self, call.deadline));
        async move {
            let in_turn = call.keyspace.is_some() && self.contention.is_high(place);
            // A call that starts with waiting for its turn needs a permit only then.
            let admission = if in_turn { None } else { Some(self.admit().await?) };
            let budget = Budget { deadline: call.deadline, cpu: self.blueprint.limits.cpu };
            let run = Metered::new(Arc::clone(self).run(admission, request, call), budget);
            let slow = self.host.slow_lane.handle().clone();
            let steer = if self.pace.is_heavy(place) { Steered::slow } else { Steered::new };
            let Measured { result, spent } = steer(run, slow, on_abandon).await;
            let result = result.map_err(InvokeError::from).flatten();
            self.note_call(place, result.as_ref().is_err_and(|error| E::is_fault(error, hurry)), spent);
            result
        }
    }

    /// Takes note of a call that ended.
    fn note_call(&self, place: u32, is_fault: bool, spent: Duration) {
        self.pace.note(place, is_fault, spent);
        self.count_call(is_fault);
    }

    fn count_call(&self, is_fault: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(is_fault), Ordering::Relaxed);
    }

    /// Runs the plugin's event handler for `events`, in their order and in one transaction, until one fails; the commit
    /// says which of them are handled, and what became of the next one.
    ///
    /// Each has the plugin's time and processor time of its own, and its own trace in place of the call's; the call's
    /// deadline bounds what happens between two runs. The last ones may be left for another delivery, so that what is
    /// handled is committed soon.
    ///
    /// # Errors
    /// When nothing is committed for a reason that is not the handler's, or nobody knows.
    ///
    /// # Cancel safety
    /// A dropped delivery stops, and changes nothing unless its commit was handed over.
    pub async fn handle_events(
        self: &Arc<Self>,
        events: Vec<Event>,
        call: CallContext,
    ) -> Result<Handled, InvokeError> {
        Box::pin(Call::run_to_end(Arc::clone(self), Delivery::new(events), call)).await
    }

    /// Runs the plugin's schedule handler; the commit says that the slot is dealt with, even where the handler failed.
    ///
    /// Time and processor time are the plugin's, as for an event.
    ///
    /// # Errors
    /// As for [`Generation::handle_events`].
    ///
    /// # Cancel safety
    /// As for [`Generation::handle_events`].
    pub async fn handle_schedule(self: &Arc<Self>, run: ScheduleRun, call: CallContext) -> Result<Ran, InvokeError> {
        Box::pin(Call::run_to_end(Arc::clone(self), Scheduled::new(run), call)).await
    }

    /// Returns where a subscription stands in what is remembered of the plugin's calls.
    fn place_of_subscription(&self, subscription: u32) -> u32 {
        let routes = u32::try_from(self.manifest.routes.len()).unwrap_or(u32::MAX);
        routes.saturating_add(subscription)
    }

    /// Returns where a schedule stands in what is remembered of the plugin's calls.
    fn place_of_schedule(&self, schedule: u32) -> u32 {
        let subscriptions = u32::try_from(self.manifest.subscriptions.len()).unwrap_or(u32::MAX);
        self.place_of_subscription(subscriptions).saturating_add(schedule)
    }

    /// Returns where a gRPC method stands in what is remembered of the plugin's calls.
    pub(crate) fn place_of_method(&self, method: u32) -> u32 {
        let schedules = u32::try_from(self.manifest.schedules.len()).unwrap_or(u32::MAX);
        self.place_of_schedule(schedules).saturating_add(method)
    }

    async fn admit(&self) -> Result<Admission, InvokeError> {
        if let Some(admission) = Admission::try_take(&self.permits, &self.host) {
            return Ok(admission);
        }
        let in_turn = Admission::take(&self.permits, &self.host);
        Box::pin(tokio::time::timeout(self.host.limits.queue_timeout, in_turn)).await.map_err(|_| InvokeError::Busy)
    }

    /// Waits for the right to run for as long as the caller lets it.
    pub(crate) async fn admit_in_time(&self) -> Admission {
        Admission::take(&self.permits, &self.host).await
    }

    /// Makes one instance, runs its `init` under its limits, and keeps it ready.
    ///
    /// # Errors
    /// When the guest fails to start: such a generation must not be published.
    pub(crate) async fn run_canary(self: &Arc<Self>) -> Result<(), InvokeError> {
        // A little longer than `init` itself has, so that a late `init` is what is reported.
        let deadline = Instant::now() + self.host.limits.init_timeout * 2;
        let this = Arc::clone(self);
        let start = async move {
            let _clock = this.host.ticker.running();
            let start = this.start_context(format!("init-{}", this.manifest.name));
            let instance = this.blueprint.instantiate(&this.host, start).await.map_err(InvokeError::from)?;
            this.put(Box::new(instance));
            Ok(())
        };
        let budget = Budget { deadline, cpu: self.host.limits.init_timeout * 2 };
        let slow = self.host.slow_lane.handle().clone();
        let ended = Steered::slow(Metered::new(start, budget), slow, OnAbandon::Cancel).await;
        ended.result.map_err(InvokeError::from).flatten()
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({} {} {})", self.manifest.name, self.manifest.version, self.hash)
    }
}

/// Gives instances back that nobody called for a while, for as long as the generation exists.
async fn sweep(generation: Weak<Generation>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout).await;
        let Some(generation) = generation.upgrade() else { return };
        generation.pool.sweep();
    }
}
