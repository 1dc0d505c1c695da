//! One loaded version of a plugin, and the calls that run on it.
//!
//! A generation never changes. A new version, or new settings, make a new one; the old one takes no new calls,
//! finishes those it has, and is gone when the last of them is.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    admission::Admission,
    bindings::exports::backplane::plugin::http_handler::{Request, Response},
    call::{Call, Run},
    context::CallContext,
    hash::ContentHash,
    host::Host,
    instance::{Blueprint, Instance, InstantiateError},
    invoke::{Answer, InvokeError},
    lane::{OnAbandon, Steered},
    limits::PluginLimits,
    manifest::{InstanceMode, Manifest, Transaction as Mode},
    meter::{Budget, Measured, Metered, SHORT},
    pace::Pace,
    permits::Permits,
    pool::Pool,
    transaction::Scope,
    turns::Turns,
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
    /// Which routes' calls have been long.
    pace: Pace,
    /// Which routes' calls have been in each other's way.
    contention: Pace,
    turns: Arc<Turns>,
    retired: AtomicBool,
    calls: AtomicU64,
    failures: AtomicU64,
}

/// Counters of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Calls that were answered, well or badly.
    pub calls: u64,
    /// Calls that ended in a trap, an exit, or over a limit.
    pub failures: u64,
    /// Calls that run now.
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
        let generation = Arc::new(Self {
            pool: Pool::new(capacity, host.threads, Arc::clone(&host.idle)),
            permits: Permits::new(blueprint.limits.concurrency_max),
            pace: Pace::new(manifest.routes.len()),
            contention: Pace::new(manifest.routes.len()),
            turns: host.turns(&manifest.name),
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

    /// Returns how a route uses state.
    pub(crate) fn transaction_of(&self, route: u32) -> Mode {
        let route = usize::try_from(route).ok().and_then(|route| self.manifest.routes.get(route));
        route.map_or(Mode::None, |route| route.transaction)
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    pub(crate) fn contention(&self) -> &Pace {
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
    pub async fn handle_http(
        self: &Arc<Self>,
        request: Request,
        call: CallContext,
        on_abandon: OnAbandon,
    ) -> Result<Answer, InvokeError> {
        let route = request.route;
        let in_turn = call.keyspace.is_some() && self.contention.is_heavy(route);
        // A call that starts with waiting for its turn needs a permit only then.
        let admission = if in_turn { None } else { Some(self.admit().await?) };
        let budget = Budget { deadline: call.deadline, cpu: self.blueprint.limits.cpu };
        let run = Metered::new(Arc::clone(self).run(admission, request, call), budget);
        let slow = self.host.slow_lane.handle().clone();
        let steer = if self.pace.is_heavy(route) { Steered::slow } else { Steered::new };
        let Measured { result, spent } = steer(run, slow, on_abandon).await;
        let result = result.map_err(InvokeError::from).flatten();
        let is_fault = result.as_ref().is_err_and(InvokeError::is_fault);
        self.pace.note(route, is_fault || spent >= SHORT);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(is_fault), Ordering::Relaxed);
        result
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

    /// Runs the handler until it has answered, and what it did with its plugin's state is committed.
    async fn run(
        self: Arc<Self>,
        admission: Option<Admission>,
        request: Request,
        call: CallContext,
    ) -> Result<Answer, InvokeError> {
        let Some(admission) = admission else {
            return Box::pin(Call::run_in_turn(self, request, call)).await;
        };
        let instance = self.instance(&call.request_id).await?;
        let mode = if call.keyspace.is_some() { self.transaction_of(request.route) } else { Mode::None };
        let run = self.run_once(instance, admission, &request, call, Scope { mode, turns: None }).await;
        match run.state {
            None => run.answer,
            // Boxed, like everything that most calls do not need: what they carry around stays small.
            Some(state) => Box::pin(Call::conclude(self, request, run.answer, state)).await,
        }
    }

    /// Returns an instance for a call.
    pub(crate) async fn instance(&self, request_id: &str) -> Result<Instance, InvokeError> {
        match self.pool.take() {
            Some(instance) => Ok(instance),
            None => self.new_instance(request_id).await,
        }
    }

    /// Returns an instance that never ran a call.
    pub(crate) async fn unused_instance(&self, request_id: &str) -> Result<Instance, InvokeError> {
        match self.mode {
            InstanceMode::Fresh => self.instance(request_id).await,
            InstanceMode::Reused => self.new_instance(request_id).await,
        }
    }

    async fn new_instance(&self, request_id: &str) -> Result<Instance, InvokeError> {
        let start = self.start_context(request_id.to_owned());
        Box::pin(self.blueprint.instantiate(&self.host, start)).await.map_err(InvokeError::from)
    }

    /// Runs the handler once, and puts the instance away.
    pub(crate) async fn run_once(
        self: &Arc<Self>,
        mut instance: Instance,
        admission: Admission,
        request: &Request,
        call: CallContext,
        scope: Scope,
    ) -> Run {
        let returned = instance.handle_http(call, scope, request).await;
        let state = instance.take_state_use();
        let answer = match returned {
            Ok(answer) => {
                self.check_in(instance, admission);
                self.check_size(answer)
            }
            Err(error) => {
                let error = InvokeError::trapped(&error, instance.memory_refused());
                // Before the permits come free: they bound how many instances there are.
                drop(instance);
                drop(admission);
                Err(error)
            }
        };
        Run { answer, state }
    }

    fn check_size(&self, answer: Answer) -> Result<Answer, InvokeError> {
        let max = self.blueprint.limits.response_bytes_max;
        match &answer {
            Ok(Response { body, .. }) if body.len() > max => {
                Err(InvokeError::ResponseTooLarge { bytes: body.len(), bytes_max: max })
            }
            _ => Ok(answer),
        }
    }

    /// Takes an instance back whose call returned. What costs time happens after the response has left.
    fn check_in(self: &Arc<Self>, mut instance: Instance, admission: Admission) {
        let keep = self.mode == InstanceMode::Reused
            && !self.retired.load(Ordering::Acquire)
            && instance.end_call(&self.blueprint.limits);
        if keep {
            self.put(instance);
        } else {
            tokio::spawn(Arc::clone(self).replace(instance, admission));
        }
    }

    async fn replace(self: Arc<Self>, used: Instance, admission: Admission) {
        drop(used);
        if self.mode == InstanceMode::Fresh && self.blueprint.lifecycle.is_none() && self.pool.has_room() {
            // Without an `init` no code of the guest's runs here that could take long.
            match self.blueprint.instantiate(&self.host, CallContext::idle()).await {
                Ok(instance) => self.put(instance),
                Err(error) => tracing::debug!(plugin = %self.manifest.name, ?error, "no instance made ready"),
            }
        }
        drop(admission);
    }

    /// The context of an instance's start: nobody's call, with the time that `init` has.
    fn start_context(&self, request_id: String) -> CallContext {
        let deadline = Instant::now() + self.host.limits.init_timeout;
        CallContext { request_id, deadline, ..CallContext::idle() }
    }

    fn put(&self, instance: Instance) {
        if !self.retired.load(Ordering::Acquire) {
            self.pool.put(instance);
        }
        // Retired in between: whoever retired may have cleared the pool just before.
        if self.retired.load(Ordering::Acquire) {
            self.pool.clear();
        }
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
            this.put(instance);
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

impl From<InstantiateError> for InvokeError {
    fn from(error: InstantiateError) -> Self {
        match error {
            InstantiateError::Refused(problem) => Self::InitRefused { code: problem.code, message: problem.message },
            InstantiateError::Trap { error, .. } if error.is::<wasmtime::PoolConcurrencyLimitError>() => Self::Busy,
            InstantiateError::Trap { error, out_of_memory } => Self::trapped(&error, out_of_memory),
        }
    }
}

/// Gives instances back that nobody called for a while, for as long as the generation exists.
async fn sweep(generation: Weak<Generation>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout / 2).await;
        let Some(generation) = generation.upgrade() else { return };
        generation.pool.sweep(idle_timeout);
    }
}
