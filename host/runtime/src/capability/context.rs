//! `backplane:plugin/context`: who calls, under which id, for how long, and where the plugin answers.

use tokio::time::Instant;
use wasmtime::component::{HasData, Linker};

use crate::{
    bindings::backplane::plugin::context::{self, Host, Principal},
    context::CallContext,
    state::{InstanceState, PluginEnv},
};

struct HasContext;

impl HasData for HasContext {
    type Data<'a> = ContextView<'a>;
}

struct ContextView<'a> {
    plugin: &'a PluginEnv,
    call: &'a CallContext,
}

pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    context::add_to_linker::<_, HasContext>(linker, |state| ContextView { plugin: &state.plugin, call: &state.call })
}

impl Host for ContextView<'_> {
    fn caller(&mut self) -> Option<Principal> {
        let principal = self.call.principal.as_deref()?;
        Some(Principal {
            subject: principal.subject.clone(),
            roles: principal.roles.clone(),
            claims: principal.claims.clone(),
        })
    }

    fn mount(&mut self) -> String {
        self.plugin.mount.clone()
    }

    fn request_id(&mut self) -> String {
        self.call.request_id.clone()
    }

    fn trace_parent(&mut self) -> Option<String> {
        self.call.trace_parent.clone()
    }

    fn remaining_ms(&mut self) -> u32 {
        let left = self.call.deadline.saturating_duration_since(Instant::now());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    }
}
