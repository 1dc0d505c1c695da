//! The plugin's manifest as the host reads it, as far as a test needs it: which route a request takes, who may, which
//! events it publishes and handles, and what its settings are by default.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::keyspace::{Access as StateAccess, Scope};
use crate::context::Principal;
use crate::{Plugin, Problem, Result};

/// Longest request body of a route, and longest message of a method, that does not say (`wit/manifest.schema.json`).
const BODY_BYTES_MAX_DEFAULT: usize = 1 << 20;
/// Attempts of an event whose subscription does not say.
const ATTEMPTS_DEFAULT: u32 = 12;

#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) routes: Vec<Route>,
    #[serde(default)]
    publishes: Vec<String>,
    #[serde(default)]
    pub(super) subscriptions: Vec<Subscription>,
    #[serde(default)]
    pub(super) schedules: Vec<Schedule>,
    #[serde(default)]
    grpc: Vec<Service>,
    #[serde(default)]
    config: Vec<Setting>,
}

#[derive(Deserialize)]
struct Setting {
    key: String,
    default: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Service {
    service: String,
    methods: Vec<Method>,
}

#[derive(Deserialize)]
pub(super) struct Method {
    name: String,
    pub(super) access: Access,
    transaction: Option<Transaction>,
    #[serde(default)]
    pub(super) metadata: Vec<String>,
    #[serde(default = "body_bytes_max_default")]
    pub(super) message_bytes_max: usize,
}

#[derive(Deserialize)]
pub(super) struct Subscription {
    pub(super) pattern: String,
    pub(super) handler: String,
    #[serde(default = "attempts_default")]
    pub(super) attempts: u32,
}

#[derive(Deserialize)]
pub(super) struct Schedule {
    pub(super) handler: String,
}

#[derive(Deserialize)]
pub(super) struct Route {
    method: String,
    path: String,
    pub(super) access: Access,
    transaction: Option<Transaction>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default = "body_bytes_max_default")]
    pub(super) body_bytes_max: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    Public,
    SignedIn,
    #[serde(untagged)]
    Restricted {
        #[serde(default)]
        roles: Vec<String>,
        #[serde(default)]
        scopes: Vec<String>,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transaction {
    Read,
    Write,
    None,
}

/// Where a request goes.
pub(super) enum Match<'a> {
    Route { index: u32, route: &'a Route, params: Vec<String> },
    NoSuchPath,
    NoSuchMethod,
}

fn attempts_default() -> u32 {
    ATTEMPTS_DEFAULT
}

fn body_bytes_max_default() -> usize {
    BODY_BYTES_MAX_DEFAULT
}

impl Manifest {
    /// Reads the manifest of a plugin.
    pub(super) fn of<P: Plugin>() -> Self {
        serde_json::from_str(P::MANIFEST).expect("the manifest is written by `#[plugin]`, and read here alike")
    }

    /// Returns the defaults of the settings as JSON text, by the keys that are declared.
    pub(super) fn settings(&self) -> BTreeMap<String, Option<String>> {
        let default = |setting: &Setting| setting.default.as_ref().map(ToString::to_string);
        self.config.iter().map(|setting| (setting.key.clone(), default(setting))).collect()
    }

    /// Returns what a call with this access to the state may do.
    pub(super) fn scope(&self, access: StateAccess) -> Scope<'_> {
        Scope { access, publishes: &self.publishes }
    }

    /// Returns what a handler may do that no request calls.
    pub(super) fn writing(&self) -> Scope<'_> {
        self.scope(StateAccess::Write)
    }

    /// Finds a method by its service's full name and its own, `greetings.v1.Greeter/Greet`.
    pub(super) fn find_method(&self, path: &str) -> Option<(u32, &Method)> {
        let (service, method) = path.trim_start_matches('/').split_once('/')?;
        let all = self.grpc.iter().flat_map(|found| found.methods.iter().map(|method| (&*found.service, method)));
        let mut named = (0..).zip(all).filter(|(_, found)| found.0 == service && found.1.name == method);
        named.next().map(|(index, (_, method))| (index, method))
    }

    /// Finds the route of a request: the most literal path first, then its method, `HEAD` by `GET`, `ANY` last.
    pub(super) fn find(&self, method: &str, path: &str) -> Match<'_> {
        let mut fitting: Vec<_> = (0..)
            .zip(&self.routes)
            .filter_map(|(index, route)| {
                let params = route.params_of(path)?;
                Some((index, route, params))
            })
            .collect();
        fitting.sort_by_key(|(_, route, _)| route.breadth());
        let Some(breadth) = fitting.first().map(|(_, route, _)| route.breadth()) else { return Match::NoSuchPath };
        fitting.retain(|(_, route, _)| route.breadth() == breadth);
        let wanted = [method, if method == "HEAD" { "GET" } else { method }, "ANY"];
        let position = wanted.iter().find_map(|name| fitting.iter().position(|(_, route, _)| route.method == *name));
        let Some(position) = position else { return Match::NoSuchMethod };
        let (index, route, params) = fitting.swap_remove(position);
        Match::Route { index, route, params }
    }
}

impl Access {
    /// Refuses a caller as the host does: for the role, then for the scopes that the credential lacks.
    pub(super) fn require(&self, caller: Option<&Principal>) -> Result<()> {
        match (self, caller) {
            (Self::Public, _) | (Self::SignedIn, Some(_)) => Ok(()),
            (Self::SignedIn | Self::Restricted { .. }, None) => {
                Err(Problem::new(401, "unauthenticated", "this route needs a signed-in caller"))
            }
            (Self::Restricted { roles, scopes }, Some(caller)) => {
                if !roles.is_empty() && !roles.iter().any(|role| caller.has_role(role)) {
                    return Err(Problem::forbidden(format!("this route needs one of the roles {}", roles.join(", "))));
                }
                scopes.iter().try_for_each(|scope| caller.require_scope(scope))
            }
        }
    }
}

impl Method {
    /// Returns what a call may do with the plugin's state.
    pub(super) fn state_access(&self) -> StateAccess {
        match self.transaction {
            Some(Transaction::None) => StateAccess::None,
            Some(Transaction::Read) => StateAccess::Read,
            Some(Transaction::Write) | None => StateAccess::Write,
        }
    }
}

impl Route {
    /// Returns what a call may do with the plugin's state.
    pub(super) fn state_access(&self) -> StateAccess {
        match (self.transaction, self.method.as_str()) {
            (Some(Transaction::None), _) => StateAccess::None,
            (Some(Transaction::Read), _) | (None, "GET" | "HEAD" | "OPTIONS") => StateAccess::Read,
            (Some(Transaction::Write), _) | (None, _) => StateAccess::Write,
        }
    }

    /// Returns whether the plugin receives a header, whose name is in lower case.
    pub(super) fn wants_header(&self, name: &str) -> bool {
        name == "content-type" || self.headers.iter().any(|wanted| wanted == name)
    }

    /// Returns the decoded parameters, when the path is one of this route's.
    fn params_of(&self, path: &str) -> Option<Vec<String>> {
        let mut params = Vec::new();
        let mut rest = path.strip_prefix('/')?;
        let mut pattern = self.path.strip_prefix('/')?;
        loop {
            let (expected, pattern_rest) = split(pattern);
            let (given, given_rest) = split(rest);
            if expected.starts_with("{*") {
                params.push(decode(rest)?);
                return Some(params);
            }
            if expected.starts_with('{') && !given.is_empty() {
                params.push(decode(given)?);
            } else if decode(given)? != expected {
                return None;
            }
            match (pattern_rest, given_rest) {
                (Some(next_pattern), Some(next_rest)) => (pattern, rest) = (next_pattern, next_rest),
                (None, None) => return Some(params),
                (Some(next_pattern), None) if next_pattern.starts_with("{*") => (pattern, rest) = (next_pattern, ""),
                _ => return None,
            }
        }
    }

    /// Returns, segment by segment, how much else would fit: literal 0, parameter 1, wildcard 2.
    fn breadth(&self) -> Vec<u8> {
        let breadth = |segment: &str| u8::from(segment.starts_with('{')) + u8::from(segment.starts_with("{*"));
        self.path.split('/').map(breadth).collect()
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)))
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}
