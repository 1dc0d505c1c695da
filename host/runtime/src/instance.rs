//! One instance of a plugin: a store with a guest in it.
//!
//! A trap, an exit or a dropped call leaves a store that wasmtime will not enter again. So an instance whose
//! call did not return is dropped, and only [`Instance::end_call`] makes one fit for another call.

use std::sync::Arc;

use wasmtime::{
    Store, UpdateDeadline,
    component::{self, InstancePre},
};

use crate::{
    bindings::{
        backplane::plugin::types::Problem,
        exports::backplane::plugin::{event_handler, grpc_handler, http_handler, lifecycle, schedule_handler},
    },
    context::CallContext,
    descriptors::Descriptors,
    host::Host,
    limits::PluginLimits,
    manifest::Transaction as Mode,
    memory::MemoryLimiter,
    pool::Seat,
    state::{InstanceState, PluginEnv},
    transaction::{Draft, Scope},
};

/// Calls after which a reused instance is replaced.
const CALLS_MAX: u32 = 1024;

/// Room for what a guest passes to the host in one call besides a response's body: events that it publishes, and more
/// than a transaction may have, so that too many are refused with a reason.
const HOST_CALL_BYTES_EXTRA: usize = 6 << 20;

/// A plugin's code, ready to be instantiated, and what it exports.
pub(crate) struct Blueprint {
    pub(crate) pre: InstancePre<InstanceState>,
    pub(crate) http: Option<http_handler::GuestIndices>,
    pub(crate) events: Option<event_handler::GuestIndices>,
    pub(crate) schedules: Option<schedule_handler::GuestIndices>,
    pub(crate) grpc: Option<grpc_handler::GuestIndices>,
    pub(crate) lifecycle: Option<lifecycle::GuestIndices>,
    /// Of what `grpc` answers.
    pub(crate) descriptors: Option<Arc<Descriptors>>,
    pub(crate) plugin: Arc<PluginEnv>,
    pub(crate) limits: PluginLimits,
}

/// Why a new instance did not come up.
#[derive(Debug)]
pub(crate) enum InstantiateError {
    /// The engine failed, or the guest trapped in its start or in `init`.
    Trap { error: wasmtime::Error, out_of_memory: bool },
    /// `init` answered with a problem.
    Refused(Problem),
}

/// A store with a guest that waits for a call.
pub(crate) struct Instance {
    store: Store<InstanceState>,
    exports: component::Instance,
    http: Option<http_handler::Guest>,
    /// From its first call on.
    grpc: Option<grpc_handler::Guest>,
    calls: u32,
    memory_bytes_at_start: usize,
    /// The pool's, once it has been kept there.
    pub(crate) seat: Option<Seat>,
}

/// What a call did with its plugin's state.
pub(crate) struct StateUse {
    /// The call's, for another run.
    pub(crate) context: CallContext,
    /// `None` when the handler used no state and its answer is to be recorded all the same.
    pub(crate) draft: Option<Box<Draft>>,
}

impl Blueprint {
    /// Makes an instance and runs its `init`, in the name of `call`.
    pub(crate) async fn instantiate(&self, host: &Host, call: CallContext) -> Result<Instance, InstantiateError> {
        let mut store = self.new_store(host, call);
        match self.start(&mut store).await {
            Ok((exports, http, Ok(()))) => {
                let memory_bytes_at_start = store.data().memory.held_bytes();
                Ok(Instance { store, exports, http, grpc: None, calls: 0, memory_bytes_at_start, seat: None })
            }
            Ok((_, _, Err(problem))) => Err(InstantiateError::Refused(problem)),
            Err(error) => {
                let out_of_memory = store.data().memory.refused();
                Err(InstantiateError::Trap { error, out_of_memory })
            }
        }
    }

    fn new_store(&self, host: &Host, call: CallContext) -> Store<InstanceState> {
        let memory =
            MemoryLimiter::new(Arc::clone(&host.memory), self.limits.memory_bytes_max, host.limits.table_elements_max);
        let state = InstanceState::new(Arc::clone(&self.plugin), call, memory, host.limits.handles_max);
        let mut store = Store::new(&host.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(self.limits.response_bytes_max.saturating_add(HOST_CALL_BYTES_EXTRA));
        store.set_max_component_handles(host.limits.handles_max);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
        store
    }

    async fn start(
        &self,
        store: &mut Store<InstanceState>,
    ) -> wasmtime::Result<(component::Instance, Option<http_handler::Guest>, Result<(), Problem>)> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let http = self.http.as_ref().map(|http| http.load(&mut *store, &instance)).transpose()?;
        let Some(lifecycle) = &self.lifecycle else { return Ok((instance, http, Ok(()))) };
        let lifecycle = lifecycle.load(&mut *store, &instance)?;
        match tokio::time::timeout_at(store.data().call.deadline, lifecycle.call_init(store)).await {
            Ok(started) => Ok((instance, http, started?)),
            Err(_) => wasmtime::bail!("its init was not done in time"),
        }
    }
}

impl Instance {
    /// Runs the plugin's HTTP handler.
    ///
    /// # Cancel safety
    /// A dropped call ends the guest; the instance must be dropped too.
    pub(crate) async fn handle_http(
        &mut self,
        call: CallContext,
        scope: Scope,
        request: &http_handler::Request,
    ) -> wasmtime::Result<Result<http_handler::Response, Problem>> {
        self.begin_call(call, scope);
        let Some(http) = &self.http else {
            wasmtime::bail!("the plugin has routes and exports no http-handler");
        };
        http.call_handle(&mut self.store, request).await
    }

    /// Runs the plugin's gRPC handler.
    ///
    /// # Cancel safety
    /// As for [`Instance::handle_http`].
    pub(crate) async fn handle_grpc(
        &mut self,
        blueprint: &Blueprint,
        call: CallContext,
        scope: Scope,
        request: &grpc_handler::Call,
    ) -> wasmtime::Result<Result<Vec<u8>, grpc_handler::Status>> {
        self.begin_call(call, scope);
        if self.grpc.is_none()
            && let Some(grpc) = &blueprint.grpc
        {
            self.grpc = Some(grpc.load(&mut self.store, &self.exports)?);
        }
        let Some(grpc) = &self.grpc else {
            wasmtime::bail!("the plugin has gRPC services and exports no grpc-handler");
        };
        grpc.call_handle(&mut self.store, request).await
    }

    /// Runs the plugin's event handler, which goes on with `draft`.
    ///
    /// # Cancel safety
    /// A dropped call ends the guest. [`Instance::take_draft`] still returns what it did; then the instance must be
    /// dropped too.
    pub(crate) async fn handle_event(
        &mut self,
        blueprint: &Blueprint,
        call: CallContext,
        scope: Scope,
        draft: Option<Box<Draft>>,
        event: &event_handler::Event,
    ) -> wasmtime::Result<Result<(), event_handler::Failure>> {
        self.begin_call(call, scope);
        self.store.data_mut().draft = draft;
        let Some(events) = &blueprint.events else {
            wasmtime::bail!("the plugin has subscriptions and exports no event-handler");
        };
        let events = events.load(&mut self.store, &self.exports)?;
        events.call_handle(&mut self.store, event).await
    }

    /// Runs the plugin's schedule handler.
    ///
    /// # Cancel safety
    /// As for [`Instance::handle_event`].
    pub(crate) async fn handle_schedule(
        &mut self,
        blueprint: &Blueprint,
        call: CallContext,
        scope: Scope,
        run: schedule_handler::Run,
    ) -> wasmtime::Result<Result<(), Problem>> {
        self.begin_call(call, scope);
        let Some(schedules) = &blueprint.schedules else {
            wasmtime::bail!("the plugin has schedules and exports no schedule-handler");
        };
        let schedules = schedules.load(&mut self.store, &self.exports)?;
        schedules.call_handle(&mut self.store, run).await
    }

    fn begin_call(&mut self, call: CallContext, scope: Scope) {
        self.store.data_mut().begin_call(call, scope);
        self.store.set_epoch_deadline(1);
        self.calls += 1;
    }

    /// Takes out the transaction of the call that ended.
    pub(crate) fn take_draft(&mut self) -> Option<Box<Draft>> {
        self.store.data_mut().draft.take()
    }

    /// Takes out what the call that ended did with its plugin's state, when there is something to commit or to judge.
    pub(crate) fn take_state_use(&mut self) -> Option<StateUse> {
        let state = self.store.data_mut();
        let keyspace = state.call.keyspace.as_ref()?;
        let mut draft = state.draft.take();
        if draft.is_none() && !(state.scope.mode == Mode::Write && keyspace.records_answer()) {
            return None;
        }
        if let Some(draft) = &mut draft {
            draft.close();
        }
        let context = std::mem::replace(&mut state.call, CallContext::idle());
        Some(StateUse { context, draft })
    }

    /// Returns whether the guest was refused memory.
    pub(crate) fn memory_refused(&self) -> bool {
        self.store.data().memory.refused()
    }

    /// Forgets the call that returned, and says whether the instance may take another.
    pub(crate) fn end_call(&mut self, limits: &PluginLimits) -> bool {
        self.store.data_mut().end_call();
        let held_bytes = self.store.data().memory.held_bytes();
        // One large request must not keep its memory for good.
        let has_grown = held_bytes > self.memory_bytes_at_start.saturating_mul(4).max(4 << 20)
            || held_bytes > limits.memory_bytes_max / 2 && held_bytes > self.memory_bytes_at_start;
        self.calls < CALLS_MAX && !has_grown && !self.memory_refused()
    }
}
