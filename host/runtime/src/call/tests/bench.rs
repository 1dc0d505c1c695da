//! A plugin, its state, and calls of it; also for the tests of deliveries.

use std::{
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use crate::{
    bindings::exports::backplane::plugin::{
        event_handler, grpc_handler,
        http_handler::{self, Request},
        schedule_handler,
    },
    cache::load_compiled,
    context::CallContext,
    engine,
    generation::Generation,
    hash::ContentHash,
    host::Host,
    instance::Blueprint,
    invoke::{Answer, InvokeError},
    keyspace::{Keyspace, double::MemoryKeyspace},
    lane::OnAbandon,
    limits::{HostLimits, PluginLimits},
    manifest::{InstanceMode, Manifest},
    state::PluginEnv,
    turns::Fate,
};

// The guest's routes.
pub(super) const ADD: u32 = 0;
pub(super) const PLAIN: u32 = 1;
pub(super) const LOOK: u32 = 2;
pub(super) const SCAN: u32 = 3;
pub(super) const PROBLEM: u32 = 4;
pub(super) const INCREMENT: u32 = 5;
pub(super) const SPIN: u32 = 6;
pub(super) const TRAP: u32 = 7;
pub(super) const DOUBT: u32 = 8;

/// Longer than any test should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

static CODE: LazyLock<Vec<u8>> = LazyLock::new(|| compile(include_str!("../guest.wat")));

/// Compiles a component's text.
pub(crate) fn compile(text: &str) -> Vec<u8> {
    let component = wat::parse_str(text).expect("valid text");
    engine::compiling().and_then(|engine| engine.precompile_component(&component)).expect("compiles")
}

/// One plugin on one host.
pub(crate) struct Bench {
    pub(crate) generation: Arc<Generation>,
    pub(crate) keyspace: Arc<MemoryKeyspace>,
}

impl Bench {
    pub(super) fn new(mode: InstanceMode, keyspace: MemoryKeyspace) -> Self {
        Self::with_limits(mode, keyspace, PluginLimits::default())
    }

    pub(super) fn with_limits(mode: InstanceMode, keyspace: MemoryKeyspace, limits: PluginLimits) -> Self {
        let routes =
            (ADD..=DOUBT).map(|n| format!(r#"{{"method":"POST","path":"/{n}"}}"#)).collect::<Vec<_>>().join(",");
        Self::of(&CODE, &format!(r#""routes":[{routes}]"#), mode, keyspace, limits)
    }

    /// A plugin of this code, with a manifest that has `rest`.
    pub(crate) fn of(
        code: &[u8],
        rest: &str,
        mode: InstanceMode,
        keyspace: MemoryKeyspace,
        limits: PluginLimits,
    ) -> Self {
        let host_limits = HostLimits {
            running_max: 8,
            deliveries_max: 4,
            schedule_runs_max: 2,
            idle_max: 8,
            ..HostLimits::default()
        };
        let host = Host::start(host_limits, 2).expect("an engine");
        let component = load_compiled(&host.engine, code).expect("compiled here");
        let pre = host.link(&component).expect("imports what is offered");
        let manifest = format!(r#"{{"api":"1.0","name":"guest","version":"1.0.0",{rest}}}"#);
        let manifest = Manifest::from_json(manifest.as_bytes()).expect("a valid manifest").manifest;
        let plugin = Arc::new(PluginEnv {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            mount: String::new(),
            settings: std::collections::HashMap::new(),
            publishes: manifest.publishes.clone(),
            commons: host.commons(&manifest.name),
        });
        let blueprint = Blueprint {
            http: http_handler::GuestIndices::new(&pre).ok(),
            events: event_handler::GuestIndices::new(&pre).ok(),
            schedules: schedule_handler::GuestIndices::new(&pre).ok(),
            grpc: grpc_handler::GuestIndices::new(&pre).ok(),
            lifecycle: None,
            descriptors: None,
            pre,
            plugin,
            limits,
        };
        let generation = Generation::new(manifest, ContentHash::of(b"guest"), mode, host, blueprint);
        Self { generation, keyspace: Arc::new(keyspace) }
    }

    /// The context of a call that uses the state.
    pub(crate) fn context(&self, timeout: Duration) -> CallContext {
        let keyspace: Arc<dyn Keyspace> = Arc::clone(&self.keyspace) as _;
        CallContext { deadline: Instant::now() + timeout, keyspace: Some(keyspace), ..CallContext::idle() }
    }

    pub(super) async fn call_with(
        &self,
        route: u32,
        on_abandon: OnAbandon,
        timeout: Duration,
    ) -> Result<Answer, InvokeError> {
        self.generation.handle_http(request(route), self.context(timeout), on_abandon).await
    }

    pub(super) async fn call(&self, route: u32) -> Result<Answer, InvokeError> {
        self.call_with(route, OnAbandon::Finish, PATIENCE).await
    }

    /// Starts a call in a task of its own.
    pub(super) fn start(self: &Arc<Self>, route: u32) -> tokio::task::JoinHandle<Result<Answer, InvokeError>> {
        let this = Arc::clone(self);
        tokio::spawn(async move { this.call(route).await })
    }

    /// Starts calls, each once the one before it has handed its commit over.
    pub(super) async fn start_in_order(
        self: &Arc<Self>,
        route: u32,
        count: usize,
    ) -> Vec<tokio::task::JoinHandle<Result<Answer, InvokeError>>> {
        let mut calls = Vec::new();
        for _ in 0..count {
            let before = self.keyspace.handed_over();
            calls.push(self.start(route));
            self.keyspace.wait_for_commits(before + 1).await;
        }
        calls
    }

    /// Makes the calls of `route` start in turns.
    pub(crate) fn make_contended(&self, route: u32) {
        (0..10).for_each(|_| self.generation.contention().note(route, Fate::Conflict));
    }

    /// Waits until nothing runs, and checks that nothing of any call is left.
    pub(crate) async fn comes_to_rest(&self) {
        let host = self.generation.host();
        eventually(|| self.generation.counters().running == 0 && host.running.taken() == 0).await;
        eventually(|| host.deliveries.taken() == 0 && host.schedule_runs.taken() == 0).await;
        eventually(|| host.aside.taken() == 0).await;
        eventually(|| self.generation.turns().is_at_rest()).await;
        eventually(|| host.transactions.used() == 0).await;
        assert_eq!(self.keyspace.open_snapshots.load(Ordering::SeqCst), 0);
    }
}

pub(crate) async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes about");
}

/// What the guest read or wrote, and which call this was of its instance.
pub(super) fn body(answer: Result<Answer, InvokeError>) -> (u8, u8) {
    let response = answer.expect("an answer").expect("no problem");
    (response.body[0], response.body[1])
}

pub(super) fn request(route: u32) -> Request {
    Request {
        route,
        method: "POST".into(),
        path: "/".into(),
        query: None,
        params: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}
