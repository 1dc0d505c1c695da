//! Who may call each route and method of a plugin, and how often: what the plugin says joined with what the operator says.
//!
//! A [`Policy`] that exists asks of every caller all that both ask. Where the operator would let in somebody whom the
//! plugin keeps out, or says something about a route that the plugin does not have, there is none: a slip in a line that
//! protects something must not go unnoticed. It is made once for a version of a plugin, before the version is loaded.
//!
//! A line about `POST` holds for requests with that method, also where the plugin has one route for every method: such
//! a route has one policy for each method that a line names, and one for the rest.
//!
//! A method of gRPC is `POST /package.Service/Method` here, whichever way it is called: every line about that is about it.

#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use backplane_auth::{Access, InvalidName, Names, TightenError};
use backplane_runtime::manifest::{self, GrpcMethod, GrpcService, Manifest, Method, PathPattern, Route};

use super::services::path_of;
use crate::{
    config::{AccessRule, Place, PluginConfig, RouteSelector},
    rate_limit::{PluginLimits, RateLimit, RateLimits},
};

/// Most routes that a message lists.
const LISTED_MAX: usize = 10;

/// Who may call what of one plugin, and how often.
#[derive(Debug)]
pub struct Policy {
    /// By the route's position in the manifest; for each at least one.
    routes: Vec<Vec<RoutePolicy>>,
    /// By the position of a method of gRPC among all that are in the manifest.
    methods: Vec<RoutePolicy>,
}

/// Who may call one route or method, and how often.
#[derive(Debug, Clone)]
pub struct RoutePolicy {
    /// The route's own method, or one that a line names and a route for every method answers.
    pub method: Method,
    /// Who may call.
    pub access: Access,
    /// How often, the narrowest line first: a request that it refuses takes nothing from the others.
    pub limits: Vec<Arc<RateLimit>>,
}

/// Why what the operator says cannot be joined with what the plugin says. The message names the line to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A line would let in everybody where the plugin does not.
    #[error(
        "{line} would open what the plugin closes: {route} asks for a signed-in caller; remove that line or name a role"
    )]
    Opens {
        /// Where it stands, and what it says.
        line: String,
        /// The route, as the manifest has it.
        route: String,
    },
    /// A line names a role that the plugin does not let in.
    #[error(
        "{line} would let in whom the plugin keeps out: {route} is for {allowed} and not for `{role}`; remove that line or name some of those"
    )]
    LetsIn {
        /// Where it stands, and what it says.
        line: String,
        /// The route, as the manifest has it.
        route: String,
        /// What the line names.
        role: String,
        /// What the plugin names, as a list.
        allowed: String,
    },
    /// A line opens what another one closes.
    #[error(
        "{line} changes nothing: {other} asks for more at {route}, and all lines about a route hold; remove one of the two"
    )]
    Reopens {
        /// Where it stands, and what it says.
        line: String,
        /// The route, as the manifest has it.
        route: String,
        /// Where the line stands that closes it.
        other: String,
    },
    /// Two lines name roles, and neither names some of the other's.
    #[error(
        "{line} and {other} name different roles for {route}, and all lines about a route hold; name in one of them only roles that the other one names"
    )]
    Contradicts {
        /// Where the line with fewer roles stands.
        line: String,
        /// Where the other one stands.
        other: String,
        /// The route, as the manifest has it.
        route: String,
    },
    /// A line is about no route of the plugin.
    #[error("{line} is about no route of the plugin: {hint}")]
    NoRoute {
        /// Where it stands.
        line: String,
        /// What it may have been meant for.
        hint: String,
    },
    /// A name in the manifest is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl Policy {
    /// Joins what the manifest says with what the operator says about the plugin, if anything.
    ///
    /// # Errors
    /// When a line asks for less than the plugin, contradicts another one, or is about no route.
    pub fn join(manifest: &Manifest, config: Option<&PluginConfig>, limits: &RateLimits) -> Result<Self, PolicyError> {
        let operator = Operator::new(config, limits.of_plugin(&manifest.name), limits.server.as_ref());
        let routes = operator.answers(manifest);
        let grpc: Vec<_> =
            manifest.grpc_methods().map(|(_, service, method)| Answers::of_grpc(service, method)).collect();
        let is_used = |line: &Line<'_>| {
            let mut answers = routes.iter().chain(&grpc);
            answers.any(|answers| answers.methods.iter().any(|method| line.is_about(answers, *method)))
        };
        if let Some(line) = operator.lines().find(|line| !is_used(line)) {
            let hint = hint(&line.place.key, routes.iter().chain(&grpc));
            return Err(PolicyError::NoRoute { line: line.place.to_string(), hint });
        }
        let routes = routes.iter().map(|answers| {
            let methods = answers.methods.iter();
            methods.map(|method| operator.policy_of(answers, *method)).collect()
        });
        let methods = grpc.iter().map(|answers| operator.policy_of(answers, answers.method));
        Ok(Self { routes: routes.collect::<Result<_, _>>()?, methods: methods.collect::<Result<_, _>>()? })
    }

    /// Returns what holds for the route at this position of the manifest, for each method that has a word of its own.
    pub fn of_route(&self, index: usize) -> &[RoutePolicy] {
        self.routes.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns what holds for the method of gRPC at this position.
    pub fn of_method(&self, index: u32) -> Option<&RoutePolicy> {
        self.methods.get(usize::try_from(index).ok()?)
    }
}

/// A route or a method of gRPC, and the methods of HTTP that have a word of their own there.
struct Answers<'a> {
    method: Method,
    path: String,
    shape: String,
    /// What the plugin asks for.
    access: &'a manifest::Access,
    methods: Vec<Method>,
    is_grpc: bool,
}

impl<'a> Answers<'a> {
    fn of_route(route: &'a Route) -> Self {
        let (method, methods) = (route.method, vec![route.method]);
        let (path, shape) = (route.path.to_string(), route.path.shape());
        Self { method, path, shape, access: &route.access, methods, is_grpc: false }
    }

    fn of_grpc(service: &GrpcService, method: &'a GrpcMethod) -> Self {
        // Names have no braces: the path is its own shape.
        let path = path_of(&service.service, &method.name);
        let (shape, methods) = (path.clone(), vec![Method::Post]);
        Self { method: Method::Post, path, shape, access: &method.access, methods, is_grpc: true }
    }

    /// Returns what it is called in a message.
    fn label(&self) -> String {
        if self.is_grpc { self.path.clone() } else { format!("{} {}", self.method.as_str(), self.path) }
    }
}

/// What a line is about.
struct Line<'a> {
    method: Option<Method>,
    shape: Option<String>,
    place: &'a Place,
}

impl<'a> Line<'a> {
    fn new(selects: &RouteSelector, place: &'a Place) -> Self {
        Self { method: selects.method, shape: selects.path.as_ref().map(PathPattern::shape), place }
    }

    /// Whether the line is about requests of `method` that the route answers.
    fn is_about(&self, answers: &Answers<'_>, method: Method) -> bool {
        let is_of_method = match self.method {
            None => true,
            Some(Method::Any) => answers.method == Method::Any,
            // RFC 9110, section 9.3.2: HEAD is GET without the content.
            Some(Method::Get) => matches!(method, Method::Get | Method::Head),
            Some(named) => named == method,
        };
        is_of_method && self.is_at(&answers.shape)
    }

    fn is_at(&self, shape: &str) -> bool {
        self.shape.as_deref().is_none_or(|own| own == shape)
    }
}

/// What the operator says about one plugin.
struct Operator<'a> {
    rules: Vec<(Line<'a>, &'a AccessRule)>,
    limits: Vec<(Line<'a>, Option<&'a Arc<RateLimit>>)>,
    /// What holds for every route, the narrower one first.
    wide: Vec<&'a Arc<RateLimit>>,
}

impl<'a> Operator<'a> {
    fn new(
        config: Option<&'a PluginConfig>,
        limits: Option<&'a PluginLimits>,
        server: Option<&'a Arc<RateLimit>>,
    ) -> Self {
        let rules = config.into_iter().flat_map(|config| &config.access);
        let lines = config.into_iter().flat_map(|config| &config.rate_limit.routes).enumerate();
        let limit_of = |index: usize| limits.and_then(|limits| limits.lines.get(index)?.as_ref());
        Self {
            rules: rules.map(|rule| (Line::new(&rule.selects, &rule.place), rule)).collect(),
            limits: lines.map(|(at, line)| (Line::new(&line.selects, &line.place), limit_of(at))).collect(),
            wide: limits.and_then(|limits| limits.plugin.as_ref()).into_iter().chain(server).collect(),
        }
    }

    fn lines(&self) -> impl Iterator<Item = &Line<'a>> {
        self.rules.iter().map(|(line, _)| line).chain(self.limits.iter().map(|(line, _)| line))
    }

    /// Returns for each route its method, and for one that answers every method those of them that a line names and no
    /// other route of the same path answers.
    fn answers<'m>(&self, manifest: &'m Manifest) -> Vec<Answers<'m>> {
        let mut all: Vec<_> = manifest.routes.iter().map(Answers::of_route).collect();
        let taken: HashSet<_> = all.iter().map(|answers| (answers.method, answers.shape.clone())).collect();
        for answers in all.iter_mut().filter(|answers| answers.method == Method::Any) {
            for method in self.lines().filter(|line| line.is_at(&answers.shape)).filter_map(|line| line.method) {
                if !answers.methods.contains(&method) && !taken.contains(&(method, answers.shape.clone())) {
                    answers.methods.push(method);
                }
            }
        }
        all
    }

    fn policy_of(&self, answers: &Answers<'_>, method: Method) -> Result<RoutePolicy, PolicyError> {
        let rules = self.rules.iter().filter(|(line, _)| line.is_about(answers, method));
        let access = access_of(answers.access)?;
        let access = join_access(answers, &access, rules.map(|(_, rule)| *rule))?;
        let limits = self.limits.iter().filter(|(line, _)| line.is_about(answers, method));
        let narrow = limits.filter_map(|(_, limit)| *limit);
        let limits = narrow.chain(self.wide.iter().copied()).cloned().collect();
        Ok(RoutePolicy { method, access, limits })
    }
}

/// Returns what the manifest asks for.
fn access_of(access: &manifest::Access) -> Result<Access, InvalidName> {
    match access {
        manifest::Access::Public => Ok(Access::Public),
        manifest::Access::SignedIn => Ok(Access::signed_in()),
        manifest::Access::Restricted { roles, scopes } => {
            Ok(Access::SignedIn { roles_any: Names::new(roles)?, scopes_all: Names::new(scopes)? })
        }
    }
}

/// Joins what a plugin asks for somewhere with every line about it.
fn join_access<'a>(
    route: &Answers<'_>,
    plugin: &Access,
    rules: impl Iterator<Item = &'a AccessRule>,
) -> Result<Access, PolicyError> {
    let mut tightened = Vec::new();
    for rule in rules {
        let access = plugin.tighten(&rule.requires).map_err(|error| refuse(rule, route, error))?;
        tightened.push((rule, access));
    }
    // The fewest roles first: whoever holds one of these passes the others too, or the lines contradict each other.
    tightened.sort_by_key(|(_, access)| breadth(access));
    let Some(((strictest, first), others)) = tightened.split_first() else { return Ok(plugin.clone()) };
    let mut joined = first.clone();
    for (rule, access) in others {
        if rule.requires == Access::Public && joined != Access::Public {
            let (line, other) = (written(rule), strictest.place.to_string());
            return Err(PolicyError::Reopens { line, route: route.label(), other });
        }
        joined = access.tighten(&joined).map_err(|_error| PolicyError::Contradicts {
            line: strictest.place.to_string(),
            other: rule.place.to_string(),
            route: route.label(),
        })?;
    }
    Ok(joined)
}

/// Returns how many roles are let in, as far as that is said; everybody comes last.
fn breadth(access: &Access) -> usize {
    match access {
        Access::Public => usize::MAX,
        Access::SignedIn { roles_any, .. } if roles_any.is_empty() => usize::MAX - 1,
        Access::SignedIn { roles_any, .. } => roles_any.iter().len(),
    }
}

fn refuse(rule: &AccessRule, route: &Answers<'_>, error: TightenError) -> PolicyError {
    let (line, route) = (written(rule), route.label());
    match error {
        TightenError::Public => PolicyError::Opens { line, route },
        TightenError::Role { role, allowed } => PolicyError::LetsIn { line, route, role, allowed },
    }
}

fn written(rule: &AccessRule) -> String {
    format!("{} = {}", rule.place, rule.written)
}

/// Returns what a key was probably meant for.
fn hint<'a>(key: &str, routes: impl Iterator<Item = &'a Answers<'a>> + Clone) -> String {
    let is_path = key.starts_with('/');
    let forms = routes.clone().map(|route| if is_path { route.path.clone() } else { route.label() });
    let near = forms.map(|form| (strsim::damerau_levenshtein(key, &form), form)).min();
    let labels: Vec<_> = routes.map(Answers::label).collect();
    match (near.filter(|(distance, _)| *distance <= key.len() / 3), labels.len()) {
        (Some((_, near)), _) => format!("did you mean {near:?}?"),
        (None, 0) => "it has none".to_owned(),
        (None, 1..=LISTED_MAX) => format!("its routes are {}", labels.join(", ")),
        (None, count) => format!("it has {count} routes, which `backplane check` lists"),
    }
}
