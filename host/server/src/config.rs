//! The configuration: `backplane.toml`, then `BACKPLANE_*` variables, then the command line; the last one wins.
//!
//! The variable of a key is its section and its name: `limits.memory_bytes` is `BACKPLANE_LIMITS_MEMORY_BYTES`.
//! Unknown keys are refused and all problems are reported at once. There is one struct for each section, in a file of
//! its own, where each field gives its unit and default; the same is in `templates/backplane.toml` for the operator.
//!
//! This module does not know what a setting does.

mod access;
mod auth;
mod events;
mod events_access;
mod external;
mod folder;
mod http;
mod limits;
mod lines;
mod log;
mod place;
mod plugin;
mod problem;
mod rate_limit;
mod reader;
mod route_selector;
mod setting;
mod source;
mod state;
mod value;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use backplane_runtime::PluginName;

pub use self::{
    access::AccessRule,
    auth::{AuthConfig, MasterKeyText},
    events::EventsConfig,
    events_access::{EventsAccess, TopicRule},
    external::ExternalConfig,
    folder::{FolderConfig, WatchMode},
    http::HttpConfig,
    limits::LimitsConfig,
    log::{AccessLog, LogConfig, LogFormat},
    place::Place,
    plugin::{InstanceMode, PluginConfig, RESERVED_SEGMENTS},
    problem::{ConfigError, ConfigProblem},
    rate_limit::{PluginRateLimits, RateLimitConfig, RouteRateLimit},
    route_selector::RouteSelector,
    setting::{Origin, Setting, render},
    source::{DEFAULT_FILE, Sources},
    state::{StateConfig, Synchronous},
};
use self::{reader::Reader, value::Value as _};

/// A commented `backplane.toml` with every key at its default.
pub const DEFAULT_FILE_CONTENTS: &str = include_str!("../templates/backplane.toml");

/// Reads a time as settings have it: with its unit, such as `10m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    Duration::from_text(text)
}

/// Everything that the operator can set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the server calls itself in its status. Default `backplane`.
    pub service: String,
    /// Address and port to listen on; port 0 takes a free one. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Folder of plugins, relative to the working directory. Default `./plugins.d`.
    pub plugins: PathBuf,
    /// Folder that the server keeps its state in. Default `./data`.
    pub data: PathBuf,
    /// Connections and requests.
    pub http: HttpConfig,
    /// The plugin folder.
    pub folder: FolderConfig,
    /// What plugins may use.
    pub limits: LimitsConfig,
    /// What plugins keep.
    pub state: StateConfig,
    /// The log of events.
    pub events: EventsConfig,
    /// Who is believed.
    pub auth: AuthConfig,
    /// How often callers may come, to all plugins and the host's own API together.
    pub rate_limit: RateLimitConfig,
    /// The log.
    pub log: LogConfig,
    /// What is said about single plugins.
    pub plugin: BTreeMap<PluginName, PluginConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service: "backplane".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            plugins: "./plugins.d".into(),
            data: "./data".into(),
            http: HttpConfig::default(),
            folder: FolderConfig::default(),
            limits: LimitsConfig::default(),
            state: StateConfig::default(),
            events: EventsConfig::default(),
            auth: AuthConfig::default(),
            rate_limit: RateLimitConfig::default(),
            log: LogConfig::default(),
            plugin: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When anything is wrong with it, with everything that is.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        Self::load_with_settings(sources).map(|(config, _)| config)
    }

    /// Reads the configuration, and lists each value in effect with its origin.
    ///
    /// # Errors
    /// Like [`Config::load`].
    pub fn load_with_settings(sources: Sources) -> Result<(Self, Vec<Setting>), ConfigError> {
        let file: toml::Table = match sources.file.parse() {
            Ok(file) => file,
            Err(error) => {
                let message = format!("is not TOML: {}", toml::de::Error::to_string(&error).trim_end());
                return Err(ConfigError { problems: vec![ConfigProblem { place: sources.file_name, message }] });
            }
        };
        let mut reader = Reader::new(sources, file);
        let config = Self::read(&mut reader);
        let (settings, problems) = reader.finish();
        if problems.is_empty() { Ok((config, settings)) } else { Err(ConfigError { problems }) }
    }

    fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let http = HttpConfig::read(reader);
        let folder = FolderConfig::read(reader);
        let limits = LimitsConfig::read(reader);
        let state = StateConfig::read(reader);
        let events = EventsConfig::read(reader);
        let auth = AuthConfig::read(reader);
        let rate_limit = RateLimitConfig::read(reader.section("rate_limit"));
        let log = LogConfig::read(reader);
        let plugin = PluginConfig::read_all(reader, &limits);
        let mut top = reader.top();
        let config = Self {
            service: top.get("service", default.service),
            listen: top.get("listen", default.listen),
            plugins: top.get("plugins", default.plugins),
            data: top.get("data", default.data),
            http,
            folder,
            limits,
            state,
            events,
            auth,
            rate_limit,
            log,
            plugin,
        };
        top.close();
        config
    }
}

#[cfg(test)]
mod tests;
