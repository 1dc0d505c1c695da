//! The routes of all live plugins, as one value that never changes.
//!
//! A change of the live plugins builds a new table on the side; a table that would hold two answers for one
//! request is not built. Paths are matched as the client sent them, and parameters are decoded afterwards, so
//! an encoded slash never makes a segment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use backplane_auth::Access;
use backplane_runtime::{
    Generation, HostLimits,
    keyspace::Keyspace,
    manifest::{Method as RouteMethod, PathPattern, Route, Segment, Transaction},
};
use backplane_store::StoreError;
use http::{HeaderName, Method};

use super::{Found, Policy, RoutePolicy, join_methods, path};
use crate::{
    adapters::PluginState,
    config::RESERVED_SEGMENTS,
    events::Declaration,
    problem::{ApiError, ApiResult},
    rate_limit::RateLimit,
};

/// A generation and the path under which it answers.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Starts with `/`, does not end with one, or is empty for the root.
    pub mount: String,
    /// The generation.
    pub generation: Arc<Generation>,
    /// What it keeps.
    pub state: Arc<PluginState>,
    /// Whether the component can use what it keeps, or publish.
    pub imports_state: bool,
    /// Who may call its routes, and how often.
    pub policy: Arc<Policy>,
    /// Which events it handles, and when it runs.
    pub declaration: Arc<Declaration>,
}

impl Mounted {
    /// Opens the plugin's state if a handler of it can use that. Blocks.
    ///
    /// # Errors
    /// When the store cannot be written; such routes answer `state_unavailable` until it can, and events wait.
    pub fn open_state(&self) -> Result<(), StoreError> {
        if self.waits_for_state() { self.state.open() } else { Ok(()) }
    }

    /// Returns whether a handler of it can use the plugin's state, and that is not open.
    pub fn waits_for_state(&self) -> bool {
        let uses = |route: &Route| StateUse::of(route, self.imports_state).is_some();
        // What came of an event, or of a run, is committed in any case.
        let is_used = !self.declaration.is_empty() || self.generation.manifest().routes.iter().any(uses);
        is_used && !self.state.is_open()
    }
}

/// What a route does with its plugin's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StateUse {
    /// Its calls read, or write and publish too.
    calls: bool,
    /// Its answers are kept for repeated requests.
    replies: bool,
}

impl StateUse {
    fn of(route: &Route, imports_state: bool) -> Option<Self> {
        let (calls, replies) = match route.transaction {
            Transaction::None => return None,
            Transaction::Read => (imports_state, false),
            Transaction::Write => (imports_state, true),
        };
        (calls || replies).then_some(Self { calls, replies })
    }
}

/// One route, with all that a call needs.
#[derive(Debug)]
pub struct Target {
    /// Who answers.
    pub generation: Arc<Generation>,
    /// The route's position in the manifest.
    pub route: u32,
    /// Its whole path with its parameters, for messages.
    pub path: String,
    /// Length of the mount in the request's path.
    pub mount_bytes: usize,
    /// Who may call: what the plugin asks for and what the operator asks for.
    pub access: Access,
    /// How often callers may come, the narrowest first; nothing where the operator says nothing.
    pub limits: Option<Box<[Arc<RateLimit>]>>,
    /// Wall time of one call.
    pub timeout: Duration,
    /// Longest accepted body.
    pub body_bytes_max: usize,
    /// Headers that the guest receives.
    pub headers: Vec<HeaderName>,
    /// Method and path as the manifest has them: what a kept answer is found by, wherever the plugin is mounted.
    pub name: String,
    /// The plugin's state, and what the route does with it.
    state: Option<(Arc<PluginState>, StateUse)>,
}

impl Target {
    /// Returns what a call can read and write; nothing where the component does not import it.
    pub fn keyspace(&self) -> Option<Arc<dyn Keyspace>> {
        let (state, _) = self.state.as_ref().filter(|(_, uses)| uses.calls)?;
        Some(Arc::<PluginState>::clone(state))
    }

    /// Returns where the route's answers are kept for repeated requests, if it writes.
    pub fn replies(&self) -> Option<&Arc<PluginState>> {
        self.state.as_ref().filter(|(_, uses)| uses.replies).map(|(state, _)| state)
    }
}

/// What holds for every route of every plugin.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Of plugins.
    pub limits: &'a HostLimits,
    /// Longest body of a route that asks for nothing.
    pub body_bytes: usize,
    /// Longest body that a route may ask for.
    pub body_bytes_max: usize,
}

/// Why a plugin's routes cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildTableError {
    /// The path belongs to the host.
    #[error("plugin `{plugin}` claims `{path}`, which belongs to the host: set `mount` under [plugin.{plugin}]")]
    Reserved {
        /// Who claims it.
        plugin: String,
        /// The path.
        path: String,
    },
    /// Another plugin, or another route of the same plugin, already answers.
    #[error(
        "plugin `{plugin}` claims `{path}`, which `{other}` already answers: set another `mount` under [plugin.{plugin}]"
    )]
    Taken {
        /// Who claims it.
        plugin: String,
        /// The path.
        path: String,
        /// Who has it.
        other: String,
    },
}

/// An immutable table of routes.
#[derive(Debug, Default)]
pub struct RouteTable {
    router: matchit::Router<Entry>,
}

/// What one path answers.
#[derive(Debug, Default)]
struct Entry {
    methods: Vec<(Method, Arc<Target>)>,
    any: Option<Arc<Target>>,
    /// Whether the pattern is that of a rest parameter, and matched without it.
    empty_rest: bool,
}

impl RouteTable {
    /// Builds the table of `plugins`, in this order: where two claim one path, the later one is refused.
    ///
    /// # Errors
    /// When a path is reserved or taken.
    pub fn build<'a>(
        plugins: impl IntoIterator<Item = &'a Mounted>,
        bounds: Bounds<'_>,
    ) -> Result<Self, BuildTableError> {
        let mut entries = BTreeMap::new();
        let mut table = Self::default();
        for mounted in plugins {
            let routes = &mounted.generation.manifest().routes;
            for (index, route) in routes.iter().enumerate() {
                for policy in mounted.policy.of_route(index) {
                    let target = Arc::new(Target::new(mounted, index, route, policy, bounds));
                    for (pattern, empty_rest) in patterns(&mounted.mount, &route.path) {
                        add(&mut entries, pattern, empty_rest, policy.method, &target)?;
                    }
                }
            }
        }
        for (pattern, entry) in entries {
            table.insert(pattern, entry)?;
        }
        Ok(table)
    }

    fn insert(&mut self, pattern: String, entry: Entry) -> Result<(), BuildTableError> {
        let (plugin, path) = (entry.owner(), entry.path());
        self.router.insert(pattern, entry).map_err(|error| {
            let other = match &error {
                matchit::InsertError::Conflict { with } => {
                    self.router.at(with).ok().map_or_else(|| with.clone(), |matched| matched.value.owner())
                }
                error => error.to_string(),
            };
            BuildTableError::Taken { plugin, path, other }
        })
    }

    /// Finds the route of a request.
    ///
    /// # Errors
    /// `not_found`, `method_not_allowed` with the methods that would do, or `invalid_path`.
    pub fn find(&self, method: &Method, path: &str) -> ApiResult<Found> {
        path::check(path)?;
        let matched = self.router.at(path).map_err(|_| ApiError::not_found())?;
        let entry = matched.value;
        let target = entry.find(method).ok_or_else(|| ApiError::method_not_allowed(&entry.allow()))?;
        let mut params = Vec::with_capacity(matched.params.len() + usize::from(entry.empty_rest));
        for (_, value) in matched.params.iter() {
            params.push(path::decode(value)?.into_owned());
        }
        if entry.empty_rest {
            params.push(String::new());
        }
        Ok(Found { target: Arc::clone(target), params })
    }
}

impl Entry {
    fn find(&self, method: &Method) -> Option<&Arc<Target>> {
        let exact =
            |wanted: &Method| self.methods.iter().find(|(method, _)| method == wanted).map(|(_, target)| target);
        exact(method)
            // RFC 9110, section 9.3.2: HEAD is GET without the content.
            .or_else(|| if method == Method::HEAD { exact(&Method::GET) } else { None })
            .or(self.any.as_ref())
    }

    fn allow(&self) -> String {
        let has = |method: &Method| self.methods.iter().any(|(other, _)| other == method);
        let head = (has(&Method::GET) && !has(&Method::HEAD)).then_some(&Method::HEAD);
        join_methods(self.methods.iter().map(|(method, _)| method).chain(head))
    }

    fn first(&self) -> Option<&Arc<Target>> {
        self.methods.iter().map(|(_, target)| target).chain(&self.any).next()
    }

    fn owner(&self) -> String {
        self.first().map(|target| target.generation.manifest().name.to_string()).unwrap_or_default()
    }

    fn path(&self) -> String {
        self.first().map(|target| target.path.clone()).unwrap_or_default()
    }
}

impl Target {
    fn new(mounted: &Mounted, index: usize, route: &Route, policy: &RoutePolicy, bounds: Bounds<'_>) -> Self {
        let wanted = route.body_bytes_max.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Self {
            generation: Arc::clone(&mounted.generation),
            route: u32::try_from(index).unwrap_or(u32::MAX),
            path: format!("{}{}", mounted.mount, route.path),
            mount_bytes: mounted.mount.len(),
            access: policy.access.clone(),
            limits: (!policy.limits.is_empty()).then(|| policy.limits.clone().into()),
            timeout: mounted.generation.limits().timeout_of(route.timeout, bounds.limits),
            body_bytes_max: wanted.unwrap_or(bounds.body_bytes).min(bounds.body_bytes_max),
            // The manifest's names were checked to be tokens in lower case.
            headers: route.headers.iter().filter_map(|name| name.parse().ok()).collect(),
            name: format!("{} {}", route.method.as_str(), route.path),
            state: StateUse::of(route, mounted.imports_state).map(|uses| (Arc::clone(&mounted.state), uses)),
        }
    }
}

fn add(
    entries: &mut BTreeMap<String, Entry>,
    pattern: String,
    empty_rest: bool,
    method: RouteMethod,
    target: &Arc<Target>,
) -> Result<(), BuildTableError> {
    let plugin = target.generation.manifest().name.to_string();
    let first = pattern.split('/').nth(1).unwrap_or_default();
    if RESERVED_SEGMENTS.contains(&first) {
        return Err(BuildTableError::Reserved { plugin, path: target.path.clone() });
    }
    let entry = entries.entry(pattern).or_default();
    let is_new = entry.methods.is_empty() && entry.any.is_none();
    let other = entry.owner();
    if is_new {
        entry.empty_rest = empty_rest;
    } else if other != plugin {
        return Err(BuildTableError::Taken { plugin, path: target.path.clone(), other });
    } else if entry.empty_rest != empty_rest {
        // The plugin has a route of its own for what its rest parameter would answer when it is empty.
        if entry.empty_rest {
            *entry = Entry::default();
        } else {
            return Ok(());
        }
    }
    match method_of(method) {
        Some(method) => entry.methods.push((method, Arc::clone(target))),
        None => entry.any = Some(Arc::clone(target)),
    }
    Ok(())
}

fn method_of(method: RouteMethod) -> Option<Method> {
    match method {
        RouteMethod::Any => None,
        method => Method::from_bytes(method.as_str().as_bytes()).ok(),
    }
}

/// Returns the matcher's patterns for a route, with parameters named by their position, so that two routes of
/// one shape meet in one entry. The flag says that a rest parameter is empty there.
fn patterns(mount: &str, path: &PathPattern) -> Vec<(String, bool)> {
    let mut pattern = mount.to_owned();
    for (at, segment) in path.segments().iter().enumerate() {
        match segment {
            Segment::Literal(text) => pattern = format!("{pattern}/{text}"),
            Segment::Parameter(_) => pattern = format!("{pattern}/{{p{at}}}"),
            Segment::Rest(_) => {
                let rest = format!("{pattern}/{{*p{at}}}");
                return with_slash(pattern, true).chain([(rest, false)]).collect();
            }
        }
    }
    if path.segments().is_empty() { with_slash(pattern, false).collect() } else { vec![(pattern, false)] }
}

/// A mount, or the folder of a rest parameter, answers with and without its last slash.
fn with_slash(pattern: String, empty_rest: bool) -> impl Iterator<Item = (String, bool)> {
    let slash = format!("{pattern}/");
    let bare = (!pattern.is_empty()).then_some((pattern, empty_rest));
    bare.into_iter().chain([(slash, empty_rest)])
}

#[cfg(test)]
mod tests {
    use backplane_runtime::Manifest;

    use super::*;

    fn path(text: &str) -> PathPattern {
        let json =
            format!(r#"{{"api":"1.0","name":"a","version":"0.0.1","routes":[{{"method":"GET","path":"{text}"}}]}}"#);
        Manifest::from_json(json.as_bytes()).expect("valid").manifest.routes[0].path.clone()
    }

    #[test]
    fn parameters_are_named_by_position() {
        assert_eq!(patterns("/m", &path("/a/{id}/b")), [("/m/a/{p1}/b".to_owned(), false)]);
    }

    #[test]
    fn a_mount_answers_with_and_without_its_slash() {
        assert_eq!(patterns("/m", &path("/")), [("/m".to_owned(), false), ("/m/".to_owned(), false)]);
        assert_eq!(patterns("", &path("/")), [("/".to_owned(), false)]);
    }

    #[test]
    fn state_goes_to_routes_that_use_it() {
        let uses = |method: &str, transaction: &str, imports_state| {
            let json = format!(
                r#"{{"api":"1.0","name":"a","version":"0.0.1","routes":[{{"method":"{method}","path":"/"{transaction}}}]}}"#
            );
            let manifest = Manifest::from_json(json.as_bytes()).expect("valid").manifest;
            StateUse::of(&manifest.routes[0], imports_state).map(|uses| (uses.calls, uses.replies))
        };
        assert_eq!(uses("GET", "", true), Some((true, false)));
        assert_eq!(uses("GET", "", false), None);
        assert_eq!(uses("POST", "", true), Some((true, true)));
        assert_eq!(uses("POST", "", false), Some((false, true)));
        assert_eq!(uses("POST", r#","transaction":"none""#, true), None);
    }

    #[test]
    fn a_rest_may_be_empty() {
        let expected = [("/m/x", true), ("/m/x/", true), ("/m/x/{*p1}", false)];
        assert_eq!(patterns("/m", &path("/x/{*rest}")), expected.map(|(text, empty)| (text.to_owned(), empty)));
    }
}
