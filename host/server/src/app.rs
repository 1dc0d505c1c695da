//! Everything that lives as long as the process: one field for each handle.

use std::{convert::Infallible, sync::Arc};

use axum::extract::FromRequestParts;
use backplane_runtime::{PluginName, Runtime};
use backplane_store::{Quota, Store};
use http::request::Parts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::PluginState, clock::Clock, config::Config, events::Events, follow::Follow, identity::Identity,
    live::Live, rate_limit::RateLimits, telemetry::Lines, versions::Versions,
};

/// The process's long-lived handles. Handlers get it as [`AppState`].
pub struct App {
    /// What the operator set; never changes.
    pub config: Config,
    /// Loads plugins; its engine ends with it.
    pub runtime: Arc<Runtime>,
    /// Which plugins are live; read by every request, changed by the supervisor alone.
    pub live: Arc<Live>,
    /// What plugins keep, and which versions of them are kept.
    pub store: Arc<Store>,
    /// The log of events, and who delivers them.
    pub events: Events,
    /// Who follows events live.
    pub follow: Arc<Follow>,
    /// Knows who calls.
    pub identity: Identity,
    /// Versions of plugins that are kept for a rollback.
    pub versions: Arc<Versions>,
    /// How often callers may come, as far as that is said.
    pub rate_limits: RateLimits,
    /// Where lines of the log go.
    pub log: Lines,
    /// Cancelled when the process is told to stop: new work is refused from then on.
    pub shutdown: CancellationToken,
    /// The time of day.
    pub clock: Clock,
    /// When the process started, for its uptime.
    pub started: Instant,
}

impl App {
    /// Returns what a plugin may keep.
    pub fn quota_of(&self, plugin: &PluginName) -> Quota {
        let (state, of_plugin) = (&self.config.state, self.config.plugin.get(plugin));
        Quota {
            keys: of_plugin.and_then(|plugin| plugin.state_keys_max).unwrap_or(state.keys_max).into(),
            bytes: of_plugin.and_then(|plugin| plugin.state_bytes_max).unwrap_or(state.bytes_max),
        }
    }

    /// Makes the state of a plugin.
    pub fn state_of(&self, plugin: &PluginName) -> PluginState {
        let (store, ttl) = (Arc::clone(&self.store), self.config.state.idempotency_ttl);
        PluginState::new(store, plugin.clone(), self.quota_of(plugin), self.clock, ttl)
    }
}

/// How a handler asks for [`App`].
#[derive(Clone)]
pub struct AppState(pub Arc<App>);

impl std::ops::Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl FromRequestParts<Self> for AppState {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &Self) -> Result<Self, Infallible> {
        Ok(state.clone())
    }
}
