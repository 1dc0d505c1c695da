//! What all plugins share: made once per process.

use std::sync::Arc;

use wasmtime::{
    Engine,
    component::{InstancePre, Linker},
};

use crate::{
    aside,
    byte_budget::ByteBudget,
    capability,
    commons::{AllCommons, Commons},
    engine,
    lane::SlowLane,
    limits::HostLimits,
    name::PluginName,
    permits::Permits,
    state::InstanceState,
    ticker::Ticker,
};

/// The engine, and every bound that holds for all plugins together.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    pub(crate) slow_lane: SlowLane,
    pub(crate) limits: HostLimits,
    /// Threads that short calls run on, and as many for long ones.
    pub(crate) threads: usize,
    /// Rights to run a call.
    pub(crate) running: Arc<Permits>,
    /// Rights to run a delivery of events: deliveries do not wait for calls, nor calls for deliveries.
    pub(crate) deliveries: Arc<Permits>,
    /// Rights to run a schedule.
    pub(crate) schedule_runs: Arc<Permits>,
    /// Rights to compute for a while, for what nobody waits for.
    pub(crate) aside: Arc<Permits>,
    /// Rights to keep an instance between calls.
    pub(crate) idle: Arc<Permits>,
    /// Linear memory of all instances together.
    pub(crate) memory: Arc<ByteBudget>,
    /// What the transactions of all calls hold in memory.
    pub(crate) transactions: Arc<ByteBudget>,
    commons: AllCommons,
    linker: Linker<InstanceState>,
}

/// Why the runtime could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine refused its configuration, or the system its address space.
    #[error("failed to start the engine: it needs address space, so check `ulimit -v` and vm.overcommit_memory")]
    Engine(#[source] wasmtime::Error),
    /// The system has no threads to give.
    #[error("failed to start the runtime's threads")]
    Threads(#[source] std::io::Error),
    /// The directory for compiled code cannot be used.
    #[error("failed to open the directory for compiled code")]
    Cache(#[source] std::io::Error),
}

impl Host {
    pub(crate) fn start(limits: HostLimits, threads: usize) -> Result<Arc<Self>, StartError> {
        let engine = engine::running(&limits).map_err(StartError::Engine)?;
        let mut linker = Linker::new(&engine);
        capability::add_to_linker(&mut linker).map_err(StartError::Engine)?;
        Ok(Arc::new(Self {
            ticker: Ticker::start(&engine).map_err(StartError::Threads)?,
            slow_lane: SlowLane::start(threads).map_err(StartError::Threads)?,
            running: Permits::new(limits.running_max),
            deliveries: Permits::new(limits.deliveries_max),
            schedule_runs: Permits::new(limits.schedule_runs_max),
            aside: Permits::new(aside::share(threads)),
            idle: Permits::new(limits.idle_max),
            memory: ByteBudget::new(limits.memory_total_bytes_max),
            transactions: ByteBudget::new(limits.transactions_bytes_max),
            commons: AllCommons::default(),
            linker,
            engine,
            limits,
            threads,
        }))
    }

    /// Returns what the generations of a plugin share.
    pub(crate) fn commons(&self, plugin: &PluginName) -> Arc<Commons> {
        self.commons.of(plugin, &self.limits, &self.transactions)
    }

    /// Links `component` against the capabilities.
    pub(crate) fn link(
        &self,
        component: &wasmtime::component::Component,
    ) -> wasmtime::Result<InstancePre<InstanceState>> {
        self.linker.instantiate_pre(component)
    }
}
