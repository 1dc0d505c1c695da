//! What a store holds besides the guest: its bounds, its capabilities' state, and the call that runs.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use tokio::time::Instant;

use crate::{
    capability::Wasi,
    commons::Commons,
    context::CallContext,
    manifest::TopicPattern,
    memory::MemoryLimiter,
    name::PluginName,
    transaction::{Draft, Scope},
};

/// What all instances of one generation share.
#[derive(Debug)]
pub(crate) struct PluginEnv {
    pub(crate) name: PluginName,
    pub(crate) version: String,
    /// Where its routes answer.
    pub(crate) mount: String,
    /// Settings as JSON text, by key.
    pub(crate) settings: HashMap<String, String>,
    /// Topics that it may publish to.
    pub(crate) publishes: Vec<TopicPattern>,
    pub(crate) commons: Arc<Commons>,
}

/// The data of one store.
pub(crate) struct InstanceState {
    pub(crate) plugin: Arc<PluginEnv>,
    pub(crate) call: CallContext,
    pub(crate) scope: Scope,
    /// What the call did with its plugin's state, when it did something.
    pub(crate) draft: Option<Box<Draft>>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) wasi: Wasi,
}

impl InstanceState {
    pub(crate) fn new(plugin: Arc<PluginEnv>, call: CallContext, memory: MemoryLimiter, handles_max: usize) -> Self {
        Self { plugin, call, scope: Scope::NONE, draft: None, memory, wasi: Wasi::new(handles_max) }
    }

    /// Makes `call` the one that runs.
    pub(crate) fn begin_call(&mut self, call: CallContext, scope: Scope) {
        self.wasi.begin_call(&call.request_id);
        self.call = call;
        self.scope = scope;
    }

    /// Takes everything of the call away that ended, so that nothing of it meets the next caller.
    pub(crate) fn end_call(&mut self) {
        self.begin_call(CallContext::idle(), Scope::NONE);
        self.draft = None;
    }
}

impl CallContext {
    /// The context between two calls: nobody's, and out of time.
    pub(crate) fn idle() -> Self {
        /// Some moment of the past: every call comes by here, and need not look at the clock for it.
        static PAST: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self { request_id: String::new(), principal: None, trace_parent: None, deadline: *PAST, keyspace: None }
    }
}
