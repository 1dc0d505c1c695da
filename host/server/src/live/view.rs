//! Plugins as an operator sees them.

mod service;

use backplane_auth::{Access, Names};
use backplane_runtime::{
    Generation, Manifest,
    manifest::{self, InstanceMode, Route, Schedule, Subscription, TopicPattern, Transaction},
};
use serde::Serialize;

pub use self::service::{MethodView, ServiceView};
use super::{Draining, FailedFile, LivePlugin, LoadingFile, Snapshot};
use crate::{
    dispatch::{Policy, RoutePolicy},
    folder::FileName,
};

/// What a plugin is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// It takes calls.
    Live,
    /// Its file was refused, and no earlier version is live.
    Failed,
    /// Its file is being compiled and tried out. What was live before is another entry.
    Loading,
    /// It was replaced or removed, and finishes the calls that it has.
    Draining,
}

/// One plugin, or one draining generation of it.
#[derive(Debug, Serialize)]
pub struct PluginView {
    /// By the manifest; by the file's name where the manifest could not be read.
    pub name: String,
    /// Semantic version.
    pub version: Option<String>,
    /// One sentence, by the manifest.
    pub description: Option<String>,
    /// SHA-256 of the component, in hexadecimal.
    pub hash: Option<String>,
    /// What it is doing.
    pub state: PluginState,
    /// Why the content of its file is not what is live; absent where it is.
    pub reason: Option<String>,
    /// Name of its file in the folder.
    pub file: Option<String>,
    /// Whether the operator chose an earlier version than the one in the file.
    pub rolled_back: bool,
    /// The path under which its routes answer.
    pub mount: Option<String>,
    /// How its instances are used.
    pub instance: Option<InstanceMode>,
    /// What it answers.
    pub routes: Vec<RouteView>,
    /// What it answers over gRPC.
    pub grpc: Vec<ServiceView>,
    /// Topics that it may publish.
    pub publishes: Vec<TopicPattern>,
    /// Events that it handles.
    pub subscriptions: Vec<Subscription>,
    /// When it runs by the clock.
    pub schedules: Vec<Schedule>,
    /// Calls since this generation was loaded, requests, events and runs of schedules.
    pub calls: u64,
    /// Calls that ended in a trap, an exit, or over a limit.
    pub traps: u64,
    /// Requests that run now.
    pub in_flight: usize,
}

/// One route.
#[derive(Debug, Serialize)]
pub struct RouteView {
    /// The method, or `ANY`.
    pub method: &'static str,
    /// The whole path, with its parameters.
    pub path: String,
    /// Who may call: what the plugin asks for and what the operator asks for.
    pub access: manifest::Access,
    /// How it uses state.
    pub transaction: Transaction,
    /// One sentence, by the manifest.
    pub summary: String,
}

impl Snapshot {
    /// Returns every live plugin, every failed file, every file that is being loaded, and every draining generation
    /// that has calls to finish.
    pub fn views(&self) -> Vec<PluginView> {
        let live = self.plugins.values().map(PluginView::of_live);
        let failed = self.failed.iter().map(|(file, failed)| PluginView::of_failed(file, failed));
        let loading = self.loading.iter().map(|(file, loading)| PluginView::of_loading(file, loading));
        live.chain(failed).chain(loading).chain(self.draining()).collect()
    }

    /// Returns the plugin `name` as it was decided on: live, else failed, else draining.
    pub fn view(&self, name: &str) -> Option<PluginView> {
        let live = self.plugins.iter().find(|(plugin, _)| plugin.as_str() == name);
        let failed = || self.failed.iter().find(|(_, failed)| failed.name == name);
        live.map(|(_, plugin)| PluginView::of_live(plugin))
            .or_else(|| failed().map(|(file, failed)| PluginView::of_failed(file, failed)))
            .or_else(|| self.draining().find(|view| view.name == name))
    }

    fn draining<'a>(&'a self) -> impl Iterator<Item = PluginView> + 'a {
        let upgrade = |draining: &'a Draining| Some((draining.generation.upgrade()?, &draining.policy));
        let generations = self.draining.iter().filter_map(upgrade);
        generations.filter(|(generation, _)| generation.counters().running > 0).map(|(generation, policy)| PluginView {
            state: PluginState::Draining,
            ..PluginView::of_generation(&generation, policy, None)
        })
    }
}

impl PluginView {
    fn of_live(plugin: &LivePlugin) -> Self {
        let mounted = &plugin.mounted;
        Self {
            reason: plugin.newest_failure.clone(),
            file: Some(plugin.file.to_string()),
            rolled_back: plugin.rolled_back,
            grpc: ServiceView::list(
                mounted.generation.manifest(),
                &mounted.policy,
                Some((&mounted.mount, &mounted.json)),
            ),
            ..Self::of_generation(&mounted.generation, &mounted.policy, Some(&mounted.mount))
        }
    }

    fn of_generation(generation: &Generation, policy: &Policy, mount: Option<&str>) -> Self {
        let (manifest, counters) = (generation.manifest(), generation.counters());
        Self {
            name: manifest.name.to_string(),
            version: Some(manifest.version.to_string()),
            description: Some(manifest.description.clone()),
            hash: Some(generation.hash().to_string()),
            state: PluginState::Live,
            reason: None,
            file: None,
            rolled_back: false,
            mount: mount.map(|mount| if mount.is_empty() { "/".to_owned() } else { mount.to_owned() }),
            instance: Some(generation.mode()),
            routes: RouteView::list(mount.unwrap_or_default(), manifest, policy),
            grpc: ServiceView::list(manifest, policy, None),
            publishes: manifest.publishes.clone(),
            subscriptions: manifest.subscriptions.clone(),
            schedules: manifest.schedules.clone(),
            calls: counters.calls,
            traps: counters.failures,
            in_flight: counters.running,
        }
    }

    fn of_failed(file: &FileName, failed: &FailedFile) -> Self {
        Self {
            version: failed.version.clone(),
            hash: failed.hash.map(|hash| hash.to_string()),
            reason: Some(failed.reason.clone()),
            ..Self::of_file(file, failed.name.clone(), PluginState::Failed)
        }
    }

    fn of_loading(file: &FileName, loading: &LoadingFile) -> Self {
        Self {
            version: Some(loading.version.clone()),
            hash: Some(loading.hash.to_string()),
            ..Self::of_file(file, loading.plugin.to_string(), PluginState::Loading)
        }
    }

    /// Describes a file that answers nothing.
    fn of_file(file: &FileName, name: String, state: PluginState) -> Self {
        Self {
            name,
            version: None,
            description: None,
            hash: None,
            state,
            reason: None,
            file: Some(file.to_string()),
            rolled_back: false,
            mount: None,
            instance: None,
            routes: Vec::new(),
            grpc: Vec::new(),
            publishes: Vec::new(),
            subscriptions: Vec::new(),
            schedules: Vec::new(),
            calls: 0,
            traps: 0,
            in_flight: 0,
        }
    }
}

impl RouteView {
    /// Lists what a plugin answers below `mount`: a route, and beside one for every method the methods of it that the
    /// operator has a word of its own for.
    pub fn list(mount: &str, manifest: &Manifest, policy: &Policy) -> Vec<Self> {
        let with_policies = manifest.routes.iter().enumerate().flat_map(|(index, route)| {
            policy.of_route(index).iter().map(move |policy| Self::new(mount, route, policy))
        });
        with_policies.collect()
    }

    fn new(mount: &str, route: &Route, policy: &RoutePolicy) -> Self {
        let path = match (mount, route.path.as_str()) {
            ("", path) => path.to_owned(),
            (mount, "/") => mount.to_owned(),
            (mount, path) => format!("{mount}{path}"),
        };
        Self {
            method: policy.method.as_str(),
            path,
            access: shown(&policy.access),
            transaction: route.transaction,
            summary: route.summary.clone(),
        }
    }
}

/// Returns what is asked of callers as a manifest writes it.
fn shown(access: &Access) -> manifest::Access {
    let texts = |names: &Names| names.iter().map(str::to_owned).collect();
    match access {
        Access::Public => manifest::Access::Public,
        Access::SignedIn { roles_any, scopes_all } if roles_any.is_empty() && scopes_all.is_empty() => {
            manifest::Access::SignedIn
        }
        Access::SignedIn { roles_any, scopes_all } => {
            manifest::Access::Restricted { roles: texts(roles_any), scopes: texts(scopes_all) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backplane_runtime::{ContentHash, PluginName};

    use super::*;

    #[test]
    fn a_file_that_is_being_loaded_is_listed_and_decides_nothing() {
        let file = FileName::find(b"a@2.wasm").expect("a file's name");
        let plugin = PluginName::new("a").expect("a plugin's name");
        let loading = LoadingFile { plugin, version: "2.0.0".into(), hash: ContentHash::of(b"") };
        let snapshot = Snapshot::default().with_loading(BTreeMap::from([(file, loading)]));
        let views = snapshot.views();
        let [view] = views.as_slice() else { panic!("{views:?}") };
        assert_eq!((view.name.as_str(), view.state), ("a", PluginState::Loading));
        assert_eq!((view.file.as_deref(), view.version.as_deref()), (Some("a@2.wasm"), Some("2.0.0")));
        assert!(view.reason.is_none() && snapshot.view("a").is_none());
    }
}
