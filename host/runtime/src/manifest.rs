//! What a plugin says about itself before any of its code runs.
//!
//! A [`Manifest`] that exists is valid: every name, path and number in it was checked when it was parsed.
//! Its shape is `wit/manifest.schema.json`. This module does not know where the text came from, and does not
//! decide what an operator allows.

mod access;
mod grpc;
mod path;
mod route;
mod schedule;
mod setting;
mod subscription;
mod topic;

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::name::PluginName;

pub use access::Access;
pub use grpc::{GrpcMethod, GrpcService};
pub use path::{PathPattern, Segment};
pub use route::{Method, Route, Transaction};
pub use schedule::{Missed, Schedule, Timing};
pub use setting::{Setting, SettingKind};
pub use subscription::Subscription;
pub use topic::TopicPattern;
pub(crate) use topic::is_topic;

/// Longest manifest in bytes, whatever its form.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// The version of `wit/` that this host offers.
pub const API: ApiVersion = ApiVersion { major: 1, minor: 0 };

/// Most routes of one plugin.
const ROUTES_MAX: usize = 1000;
/// Most patterns of topics that one plugin publishes.
const PUBLISHES_MAX: usize = 100;
/// Most subscriptions of one plugin.
const SUBSCRIPTIONS_MAX: usize = 100;
/// Most schedules of one plugin.
const SCHEDULES_MAX: usize = 100;
/// Most gRPC services of one plugin.
const GRPC_SERVICES_MAX: usize = 20;
/// Most settings of one plugin.
const SETTINGS_MAX: usize = 200;

/// Version of the contract, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct ApiVersion {
    /// Differs where a plugin has to be changed.
    pub major: u16,
    /// Grows where the host offers more.
    pub minor: u16,
}

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Returns whether this host runs a plugin that was built for `self`.
    fn is_supported(self) -> bool {
        self.major == API.major && (0..=API.minor).contains(&self.minor)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<ApiVersion> for String {
    fn from(version: ApiVersion) -> Self {
        version.to_string()
    }
}

/// How instances of a plugin are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceMode {
    /// A new instance for every call.
    #[default]
    Fresh,
    /// One instance may answer many calls, one after another.
    Reused,
}

/// What a plugin asks for where the host's defaults do not fit; the operator's maximum wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedLimits {
    /// Linear memory of one instance, all memories together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes_max: Option<u64>,
    /// Body of one response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_bytes_max: Option<u64>,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
    /// Wall time of one call.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// CPU time of one call.
    #[serde(rename = "cpu_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub cpu: Option<Duration>,
}

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// The contract that the plugin was built for.
    pub api: ApiVersion,
    /// Unique in a host.
    pub name: PluginName,
    /// Semantic version.
    pub version: semver::Version,
    /// One sentence for people, may be empty.
    pub description: String,
    /// How its instances want to be used.
    pub instance: InstanceMode,
    /// What it wants beyond the defaults.
    pub limits: WantedLimits,
    /// What it answers, in the order that `request.route` counts.
    pub routes: Vec<Route>,
    /// Topics that it may publish events to.
    pub publishes: Vec<TopicPattern>,
    /// Events that it handles, in the order that `event.subscription` counts.
    pub subscriptions: Vec<Subscription>,
    /// What runs by the clock, in the order that `run.schedule` counts.
    pub schedules: Vec<Schedule>,
    /// gRPC services that it answers; [`Manifest::grpc_methods`] counts their methods.
    pub grpc: Vec<GrpcService>,
    /// Settings that the operator may or must give.
    pub config: Vec<Setting>,
}

/// Why a manifest is refused. The message says where in the manifest and what is allowed there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text is longer than [`MANIFEST_BYTES_MAX`].
    #[error("manifest has {bytes} bytes, more than {MANIFEST_BYTES_MAX}")]
    TooLarge {
        /// Length of the text.
        bytes: usize,
    },
    /// The text is not JSON or TOML, or does not have the manifest's shape.
    #[error("manifest is not valid: {reason}")]
    Syntax {
        /// What the parser says, with the place.
        reason: String,
    },
    /// The plugin was built for a contract that this host does not offer.
    #[error("plugin is built for api {wanted}, this host offers {API}: needs {}", needed_host(*wanted))]
    UnsupportedApi {
        /// What the manifest names.
        wanted: ApiVersion,
    },
    /// A value is out of its bounds.
    #[error("manifest field `{field}` {reason}")]
    Invalid {
        /// Path of the field, for example `routes[2].path`.
        field: String,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
}

fn needed_host(wanted: ApiVersion) -> Cow<'static, str> {
    match wanted.major {
        major if major < API.major => format!("a host of api {major}.x, or a build against api {API}").into(),
        _ => format!("host >= api {wanted}").into(),
    }
}

impl ManifestError {
    fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}

/// A manifest, and what was noticed in it that is no reason to refuse it.
#[derive(Debug, PartialEq)]
pub struct Parsed {
    /// The manifest.
    pub manifest: Manifest,
    /// Unknown fields, one sentence each.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// Returns whether it lists nothing that would ever call the plugin.
    pub(crate) fn has_no_handlers(&self) -> bool {
        self.routes.is_empty() && self.subscriptions.is_empty() && self.schedules.is_empty() && self.grpc.is_empty()
    }

    /// Parses the JSON of a custom section.
    ///
    /// # Errors
    /// When it is too large, is not JSON, or breaks a rule of the schema.
    pub fn from_json(text: &[u8]) -> Result<Parsed, ManifestError> {
        check_size(text.len())?;
        let value = serde_json::from_slice(text).map_err(|e| ManifestError::Syntax { reason: e.to_string() })?;
        from_value(value)
    }

    /// Parses the TOML of a file beside the component.
    ///
    /// # Errors
    /// As [`Manifest::from_json`].
    pub fn from_toml(text: &str) -> Result<Parsed, ManifestError> {
        check_size(text.len())?;
        let value: serde_json::Value =
            toml::from_str(text).map_err(|e| ManifestError::Syntax { reason: e.message().to_owned() })?;
        from_value(value)
    }
}

fn check_size(bytes: usize) -> Result<(), ManifestError> {
    if bytes > MANIFEST_BYTES_MAX { Err(ManifestError::TooLarge { bytes }) } else { Ok(()) }
}

/// The top level as it is written; the lists are read element by element, so that an error names its index.
#[derive(Deserialize)]
struct Raw {
    api: String,
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    instance: InstanceMode,
    #[serde(default)]
    limits: WantedLimits,
    #[serde(default)]
    routes: Vec<serde_json::Value>,
    #[serde(default)]
    publishes: Vec<String>,
    #[serde(default)]
    subscriptions: Vec<serde_json::Value>,
    #[serde(default)]
    schedules: Vec<serde_json::Value>,
    #[serde(default)]
    grpc: Vec<serde_json::Value>,
    #[serde(default)]
    config: Vec<serde_json::Value>,
}

const FIELDS: &[&str] = &[
    "api",
    "name",
    "version",
    "description",
    "instance",
    "limits",
    "routes",
    "publishes",
    "subscriptions",
    "schedules",
    "grpc",
    "config",
];

fn from_value(value: serde_json::Value) -> Result<Parsed, ManifestError> {
    check_api(&value)?;
    let mut warnings = unknown_fields("", &value, FIELDS);
    let raw: Raw = read(String::new(), value)?;
    let name = PluginName::new(&raw.name).map_err(|e| ManifestError::invalid("name", format!("is refused: {e}")))?;
    let version = semver::Version::parse(&raw.version)
        .map_err(|e| ManifestError::invalid("version", format!("is not a semantic version: {e}")))?;
    check_length("description", &raw.description, 500)?;
    check_counts(&raw)?;
    check_limits(&raw.limits)?;
    let manifest = Manifest {
        api: ApiVersion::parse(&raw.api).unwrap_or(API),
        name,
        version,
        description: raw.description,
        instance: raw.instance,
        limits: raw.limits,
        routes: route::read_all(raw.routes, &mut warnings)?,
        publishes: subscription::read_publishes(&raw.publishes)?,
        subscriptions: subscription::read_all(raw.subscriptions, &mut warnings)?,
        schedules: schedule::read_all(raw.schedules, &mut warnings)?,
        grpc: grpc::read_all(raw.grpc, &mut warnings)?,
        config: setting::read_all(raw.config, &mut warnings)?,
    };
    Ok(Parsed { manifest, warnings })
}

/// Looks at `api` first: a manifest of a later major version may have another shape altogether.
fn check_api(value: &serde_json::Value) -> Result<(), ManifestError> {
    let Some(api) = value.get("api") else {
        return Err(ManifestError::invalid("api", format!("is missing: write \"{API}\"")));
    };
    let wanted = api.as_str().and_then(ApiVersion::parse).ok_or_else(|| {
        ManifestError::invalid("api", format!("must be text of the form `major.minor`, for example \"{API}\""))
    })?;
    if wanted.is_supported() { Ok(()) } else { Err(ManifestError::UnsupportedApi { wanted }) }
}

fn check_counts(raw: &Raw) -> Result<(), ManifestError> {
    check_count("routes", raw.routes.len(), ROUTES_MAX)?;
    check_count("publishes", raw.publishes.len(), PUBLISHES_MAX)?;
    check_count("subscriptions", raw.subscriptions.len(), SUBSCRIPTIONS_MAX)?;
    check_count("schedules", raw.schedules.len(), SCHEDULES_MAX)?;
    check_count("grpc", raw.grpc.len(), GRPC_SERVICES_MAX)?;
    check_count("config", raw.config.len(), SETTINGS_MAX)
}

fn check_limits(limits: &WantedLimits) -> Result<(), ManifestError> {
    let too_small = [
        ("limits.memory_bytes_max", limits.memory_bytes_max.is_some_and(|bytes| bytes < 65_536), "65536"),
        ("limits.concurrency_max", limits.concurrency_max == Some(0), "1"),
        ("limits.timeout_ms", limits.timeout == Some(Duration::ZERO), "1"),
        ("limits.cpu_ms", limits.cpu == Some(Duration::ZERO), "1"),
    ];
    match too_small.iter().find(|(_, wrong, _)| *wrong) {
        Some((field, _, least)) => Err(ManifestError::invalid(*field, format!("must be at least {least}"))),
        None => Ok(()),
    }
}

fn check_length(field: &str, text: &str, bytes_max: usize) -> Result<(), ManifestError> {
    if text.len() > bytes_max {
        return Err(ManifestError::invalid(field, format!("has {} bytes, more than {bytes_max}", text.len())));
    }
    Ok(())
}

fn check_count(field: &str, count: usize, max: usize) -> Result<(), ManifestError> {
    if count > max {
        return Err(ManifestError::invalid(field, format!("has {count} entries, more than {max}")));
    }
    Ok(())
}

/// Reads one value, and names `place` when it does not have the expected shape.
fn read<T: DeserializeOwned>(place: String, value: serde_json::Value) -> Result<T, ManifestError> {
    serde_json::from_value(value).map_err(|e| match place.is_empty() {
        true => ManifestError::Syntax { reason: e.to_string() },
        false => ManifestError::invalid(place, format!("is not valid: {e}")),
    })
}

fn unknown_fields(place: &str, value: &serde_json::Value, known: &[&str]) -> Vec<String> {
    let fields = value.as_object().into_iter().flat_map(|object| object.keys());
    let unknown = fields.filter(|field| !known.contains(&field.as_str()));
    unknown.take(16).map(|field| format!("manifest field `{place}{field}` is unknown and ignored")).collect()
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|duration| duration.as_millis()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests;
