//! The routes of all live plugins, as one value that never changes.
//!
//! A change of the live plugins builds a new table on the side; a table that would hold two answers for one
//! request is not built. Paths are matched as the client sent them, and parameters are decoded afterwards, so
//! an encoded slash never makes a segment.
//!
//! A method of gRPC is a route too, for requests in JSON; a route of the plugin's own at its path comes first.

use std::{collections::BTreeMap, sync::Arc};

use backplane_runtime::manifest::{Method as RouteMethod, PathPattern, Segment};
use http::Method;

use super::{Bounds, Found, GrpcTable, Mounted, Target, join_methods, path};
use crate::{
    config::RESERVED_SEGMENTS,
    problem::{ApiError, ApiResult},
};

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
    /// Another plugin already answers a service.
    #[error("plugin `{plugin}` serves `{service}`, which `{other}` already serves: remove one of the two plugins")]
    ServiceTaken {
        /// Who claims it.
        plugin: String,
        /// Its full name.
        service: String,
        /// Who has it.
        other: String,
    },
}

/// An immutable table of routes.
#[derive(Debug, Default)]
pub struct RouteTable {
    router: matchit::Router<Entry>,
    services: GrpcTable,
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
    /// When a path is reserved or taken, or a service is.
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
                    let target = Arc::new(Target::of_route(mounted, index, route, policy, bounds));
                    for (pattern, empty_rest) in patterns(&mounted.mount, &route.path) {
                        add(&mut entries, pattern, empty_rest, policy.method, &target)?;
                    }
                }
            }
            for (path, target) in table.services.add(mounted, bounds)? {
                add(&mut entries, path, false, RouteMethod::Post, &target)?;
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

    /// Returns the methods of gRPC.
    pub fn services(&self) -> &GrpcTable {
        &self.services
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
        Some(method) if entry.methods.iter().any(|(own, _)| *own == method) => {}
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
    fn a_rest_may_be_empty() {
        let expected = [("/m/x", true), ("/m/x/", true), ("/m/x/{*p1}", false)];
        assert_eq!(patterns("/m", &path("/x/{*rest}")), expected.map(|(text, empty)| (text.to_owned(), empty)));
    }
}
