//! Plugins as messages.

use crate::{
    endpoint::VersionView,
    grpc::pb::{self, Plugin, PluginVersion, Route},
    live::{PluginState, PluginView, RouteView},
};

impl From<PluginView> for Plugin {
    fn from(view: PluginView) -> Self {
        Self {
            name: view.name,
            version: view.version.unwrap_or_default(),
            description: view.description.unwrap_or_default(),
            hash: view.hash.unwrap_or_default(),
            state: pb::PluginState::from(view.state).into(),
            reason: view.reason.unwrap_or_default(),
            file: view.file.unwrap_or_default(),
            rolled_back: view.rolled_back,
            mount: view.mount.unwrap_or_default(),
            calls: view.calls,
            traps: view.traps,
            in_flight: u64::try_from(view.in_flight).unwrap_or(u64::MAX),
            routes: view.routes.into_iter().map(Into::into).collect(),
            services: view.grpc.into_iter().map(|view| view.service).collect(),
        }
    }
}

impl From<PluginState> for pb::PluginState {
    fn from(state: PluginState) -> Self {
        match state {
            PluginState::Live => Self::Live,
            PluginState::Failed => Self::Failed,
            PluginState::Loading => Self::Loading,
            PluginState::Draining => Self::Draining,
        }
    }
}

impl From<RouteView> for Route {
    fn from(view: RouteView) -> Self {
        Self { method: view.method.to_owned(), path: view.path, summary: view.summary }
    }
}

impl From<VersionView> for PluginVersion {
    fn from(view: VersionView) -> Self {
        let loaded_at =
            prost_types::Timestamp { seconds: view.loaded_at.as_second(), nanos: view.loaded_at.subsec_nanosecond() };
        Self {
            hash: view.hash.to_string(),
            version: view.version,
            file: view.file,
            loaded_at: Some(loaded_at),
            live: view.live,
        }
    }
}
