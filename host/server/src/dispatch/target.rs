//! One route or one method of gRPC, with all that a call of it needs.

use std::{sync::Arc, time::Duration};

use backplane_auth::Access;
use backplane_runtime::{
    Generation, HostLimits,
    keyspace::Keyspace,
    manifest::{GrpcMethod, Route, Transaction},
};
use http::HeaderName;

use super::{Mounted, RoutePolicy, json::Transcoding};
use crate::{adapters::PluginState, rate_limit::RateLimit};

/// One route or method, with all that a call needs.
#[derive(Debug)]
pub struct Target {
    /// Who answers.
    pub generation: Arc<Generation>,
    /// Which of its functions.
    pub handler: Handler,
    /// The whole path with its parameters, for messages.
    pub path: String,
    /// Length of the mount in the request's path.
    pub mount_bytes: usize,
    /// Who may call: what the plugin asks for and what the operator asks for.
    pub access: Access,
    /// How often callers may come, the narrowest first; nothing where the operator says nothing.
    pub limits: Option<Box<[Arc<RateLimit>]>>,
    /// Wall time of one call.
    pub timeout: Duration,
    /// Longest accepted body, or message.
    pub body_bytes_max: usize,
    /// Headers, or keys of metadata, that the guest receives.
    pub headers: Vec<HeaderName>,
    /// Method and path as the manifest has them: what a kept answer is found by, wherever the plugin is mounted.
    pub name: String,
    /// The plugin's state, and what calls do with it.
    state: Option<(Arc<PluginState>, StateUse)>,
}

/// A function of a plugin, by its position in the manifest.
#[derive(Debug)]
pub enum Handler {
    /// Of a route.
    Route(u32),
    /// Of a method of gRPC.
    Method(Method),
}

/// A unary method.
#[derive(Debug)]
pub struct Method {
    /// Its position among all methods of the manifest.
    pub index: u32,
    /// Whether a call can change nothing here, and may be left when nobody waits for it.
    pub only_looks: bool,
    /// How its messages are said in JSON, where they can be.
    pub json: Option<Transcoding>,
}

/// What a handler does with its plugin's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateUse {
    /// Its calls read, or write and publish too.
    calls: bool,
    /// Its answers are kept for repeated requests.
    replies: bool,
}

/// What holds for every route and method of every plugin.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Of plugins.
    pub limits: &'a HostLimits,
    /// Longest body or message of a handler that asks for nothing.
    pub body_bytes: usize,
    /// Longest body or message that a handler may ask for.
    pub body_bytes_max: usize,
}

impl StateUse {
    pub(super) fn of_route(transaction: Transaction, imports_state: bool) -> Option<Self> {
        let (calls, replies) = match transaction {
            Transaction::None => return None,
            Transaction::Read => (imports_state, false),
            Transaction::Write => (imports_state, true),
        };
        (calls || replies).then_some(Self { calls, replies })
    }

    /// A method keeps no answers: what is repeated is told by a field of its message, which the plugin knows.
    pub(super) fn of_method(transaction: Transaction, imports_state: bool) -> Option<Self> {
        let calls = imports_state && transaction != Transaction::None;
        calls.then_some(Self { calls, replies: false })
    }
}

impl Target {
    pub(super) fn of_route(
        mounted: &Mounted,
        index: usize,
        route: &Route,
        policy: &RoutePolicy,
        bounds: Bounds<'_>,
    ) -> Self {
        let wanted = route.body_bytes_max.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Self {
            generation: Arc::clone(&mounted.generation),
            handler: Handler::Route(u32::try_from(index).unwrap_or(u32::MAX)),
            path: format!("{}{}", mounted.mount, route.path),
            mount_bytes: mounted.mount.len(),
            access: policy.access.clone(),
            limits: limits_of(policy),
            timeout: mounted.generation.limits().timeout_of(route.timeout, bounds.limits),
            body_bytes_max: wanted.unwrap_or(bounds.body_bytes).min(bounds.body_bytes_max),
            headers: names(&route.headers),
            name: format!("{} {}", route.method.as_str(), route.path),
            state: with_state(mounted, StateUse::of_route(route.transaction, mounted.imports_state)),
        }
    }

    /// `path` is that of its requests over gRPC; that of its requests in JSON is below the mount.
    pub(super) fn of_method(
        mounted: &Mounted,
        path: &str,
        handler: Method,
        method: &GrpcMethod,
        policy: &RoutePolicy,
        bounds: Bounds<'_>,
    ) -> Self {
        Self {
            generation: Arc::clone(&mounted.generation),
            handler: Handler::Method(handler),
            path: format!("{}{path}", mounted.mount),
            mount_bytes: mounted.mount.len(),
            access: policy.access.clone(),
            limits: limits_of(policy),
            timeout: mounted.generation.limits().timeout_of(method.timeout, bounds.limits),
            body_bytes_max: method.message_bytes_max.unwrap_or(bounds.body_bytes).min(bounds.body_bytes_max),
            headers: names(&method.metadata),
            name: path.to_owned(),
            state: with_state(mounted, StateUse::of_method(method.transaction, mounted.imports_state)),
        }
    }

    /// Returns what a call can read and write; nothing where the component does not import it.
    pub fn keyspace(&self) -> Option<Arc<dyn Keyspace>> {
        let (state, _) = self.state.as_ref().filter(|(_, uses)| uses.calls)?;
        Some(Arc::<PluginState>::clone(state))
    }

    /// Returns where the route's answers are kept for repeated requests, if it writes.
    pub fn replies(&self) -> Option<&Arc<PluginState>> {
        self.state.as_ref().filter(|(_, uses)| uses.replies).map(|(state, _)| state)
    }

    /// Returns the name of the guest's function, for logs; may be empty.
    pub(super) fn function(&self) -> &str {
        let manifest = self.generation.manifest();
        let name = match &self.handler {
            Handler::Route(route) => {
                let route = usize::try_from(*route).ok().and_then(|route| manifest.routes.get(route));
                route.map(|route| &route.handler)
            }
            Handler::Method(Method { index, .. }) => manifest.grpc_method(*index).map(|method| &method.handler),
        };
        name.map(String::as_str).unwrap_or_default()
    }
}

fn limits_of(policy: &RoutePolicy) -> Option<Box<[Arc<RateLimit>]>> {
    (!policy.limits.is_empty()).then(|| policy.limits.clone().into())
}

/// The manifest's names were checked to be tokens in lower case.
fn names(of_headers: &[String]) -> Vec<HeaderName> {
    of_headers.iter().filter_map(|name| name.parse().ok()).collect()
}

fn with_state(mounted: &Mounted, uses: Option<StateUse>) -> Option<(Arc<PluginState>, StateUse)> {
    uses.map(|uses| (Arc::clone(&mounted.state), uses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_to_what_uses_it() {
        let uses = |uses: Option<StateUse>| uses.map(|uses| (uses.calls, uses.replies));
        let route = |transaction, imports_state| uses(StateUse::of_route(transaction, imports_state));
        assert_eq!(route(Transaction::Read, true), Some((true, false)));
        assert_eq!(route(Transaction::Read, false), None);
        assert_eq!(route(Transaction::Write, true), Some((true, true)));
        assert_eq!(route(Transaction::Write, false), Some((false, true)));
        assert_eq!(route(Transaction::None, true), None);
        let method = |transaction, imports_state| uses(StateUse::of_method(transaction, imports_state));
        assert_eq!(method(Transaction::Read, true), Some((true, false)));
        assert_eq!(method(Transaction::Write, true), Some((true, false)));
        assert_eq!(method(Transaction::Write, false), None);
        assert_eq!(method(Transaction::None, true), None);
    }
}
