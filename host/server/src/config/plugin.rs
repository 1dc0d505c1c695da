//! `[plugin.<name>]`: what the operator says about one plugin.

use std::{collections::BTreeMap, time::Duration};

use backplane_runtime::PluginName;
use serde_json::{Map, Value};

use super::{
    access::AccessRule,
    limits::LimitsConfig,
    rate_limit::PluginRateLimits,
    reader::{Reader, Section},
    state,
    value::{Size, words},
};

/// First segments that belong to the host.
pub const RESERVED_SEGMENTS: [&str; 8] =
    ["api", "healthz", "readyz", "metrics", "console", "docs", "openapi.json", ".well-known"];

/// The operator's word on one plugin; everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginConfig {
    /// Whether the plugin is left out. Default false.
    pub disabled: bool,
    /// Path under which its routes answer, `/` for the root. Default `/<name>`.
    pub mount: Option<String>,
    /// Overrides the plugin's wish to reuse instances. Default: the plugin's wish.
    pub instance: Option<InstanceMode>,
    /// Linear memory of one instance in bytes. Default: the plugin's wish, else `limits.memory_bytes`.
    pub memory_bytes: Option<usize>,
    /// Body of one response in bytes. Default: the plugin's wish, else `limits.response_bytes`.
    pub response_bytes: Option<usize>,
    /// Calls at the same time. Default: the plugin's wish, else `limits.concurrency`.
    pub concurrency: Option<u32>,
    /// Wall time of one call. Default: the plugin's wish, else `limits.timeout`.
    pub timeout: Option<Duration>,
    /// CPU time of one call. Default: the plugin's wish, else `limits.cpu`.
    pub cpu: Option<Duration>,
    /// Keys that it keeps. Default `state.keys_max`.
    pub state_keys_max: Option<u32>,
    /// What it keeps in bytes. Default `state.bytes_max`.
    pub state_bytes_max: Option<u64>,
    /// Values for the settings that the plugin declares.
    pub config: Map<String, Value>,
    /// What is asked of its callers beyond what it asks itself. Default nothing.
    pub access: Vec<AccessRule>,
    /// How often its callers may come. Default as often as the server lets them.
    pub rate_limit: PluginRateLimits,
}

/// What happens to an instance after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceMode {
    /// It is dropped: every call has a new one.
    Fresh,
}

words!(InstanceMode: "\"fresh\", or leave it out for the plugin's own choice", Fresh = "fresh");

impl PluginConfig {
    /// Reads every table under `[plugin]`.
    pub(super) fn read_all(reader: &mut Reader, limits: &LimitsConfig) -> BTreeMap<PluginName, Self> {
        let mut plugins = BTreeMap::new();
        for (text, value) in reader.take_table("plugin") {
            let key = format!("plugin.{text}");
            match (PluginName::new(&text), value) {
                (Ok(name), toml::Value::Table(table)) => {
                    let plugin = Self::read(reader, &key, table, limits);
                    plugins.insert(name, plugin);
                }
                (Err(error), _) => reader.refuse_in_file(&key, error.to_string()),
                (Ok(_), _) => reader.refuse_in_file(&key, format!("is a table: write its keys under `[{key}]`")),
            }
        }
        refuse_shared_mounts(reader, &plugins);
        plugins
    }

    fn read(reader: &mut Reader, key: &str, table: toml::Table, limits: &LimitsConfig) -> Self {
        let mut section = reader.file_section(key.to_owned(), table);
        let mut plugin = Self::read_keys(&mut section);
        plugin.check(&mut section, limits);
        let (access, rate_limit) = (section.table("access"), section.take_table("rate_limit"));
        section.close();
        plugin.access = AccessRule::read_all(reader, &format!("{key}.access"), access);
        plugin.rate_limit = PluginRateLimits::read(reader, &format!("{key}.rate_limit"), rate_limit);
        plugin
    }

    fn read_keys(section: &mut Section<'_>) -> Self {
        Self {
            disabled: section.get("disabled", false),
            mount: section.optional("mount"),
            instance: section.optional("instance"),
            memory_bytes: section.optional::<Size>("memory_bytes").map(Size::bytes),
            response_bytes: section.optional::<Size>("response_bytes").map(Size::bytes),
            concurrency: section.optional("concurrency"),
            timeout: section.optional("timeout"),
            cpu: section.optional("cpu"),
            state_keys_max: section.optional("state_keys_max"),
            state_bytes_max: section
                .optional_within("state_bytes_max", Size(0)..=state::BYTES_MAX)
                .map(|Size(bytes)| bytes),
            config: section.table("config").into_iter().map(|(key, value)| (key, to_json(value))).collect(),
            ..Self::default()
        }
    }

    fn check(&self, section: &mut Section<'_>, limits: &LimitsConfig) {
        if let Some(problem) = self.mount.as_deref().and_then(mount_problem) {
            section.refuse("mount", problem);
        }
        for (key, bytes, max_key, max) in [
            ("memory_bytes", self.memory_bytes, "limits.memory_bytes_max", limits.memory_bytes_max),
            ("response_bytes", self.response_bytes, "limits.response_bytes_max", limits.response_bytes_max),
        ] {
            if let Some(bytes) = bytes {
                section.at_most(key, &Size::of(bytes), max_key, &Size::of(max));
            }
        }
        if let Some(count) = self.concurrency {
            section.at_most("concurrency", &count, "limits.concurrency_max", &limits.concurrency_max);
        }
        for (key, time, max_key, max) in [
            ("timeout", self.timeout, "limits.timeout_max", limits.timeout_max),
            ("cpu", self.cpu, "limits.cpu_max", limits.cpu_max),
        ] {
            if let Some(time) = time {
                section.at_most(key, &time, max_key, &max);
            }
        }
        for key in self.zeros() {
            section.refuse(key, "0 would refuse every call: write more, or `disabled = true`".to_owned());
        }
    }

    /// Returns the limits that are zero.
    fn zeros(&self) -> impl Iterator<Item = &'static str> {
        [
            ("memory_bytes", self.memory_bytes == Some(0)),
            ("concurrency", self.concurrency == Some(0)),
            ("timeout", self.timeout == Some(Duration::ZERO)),
            ("cpu", self.cpu == Some(Duration::ZERO)),
        ]
        .into_iter()
        .filter_map(|(key, is_zero)| is_zero.then_some(key))
    }
}

/// Returns what is wrong with a mount.
fn mount_problem(mount: &str) -> Option<String> {
    let Some(rest) = mount.strip_prefix('/') else {
        return Some(format!("{mount:?} does not start with `/`: write \"/{mount}\""));
    };
    if rest.is_empty() {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if rest.split('/').any(|segment| segment.is_empty() || segment.starts_with("..") || !segment.bytes().all(plain)) {
        return Some(format!("{mount:?} is not a path of plain segments: write one such as \"/shop/orders\""));
    }
    let first = rest.split('/').next().unwrap_or_default();
    RESERVED_SEGMENTS.contains(&first).then(|| format!("`/{first}` belongs to the host: choose another path"))
}

fn refuse_shared_mounts(reader: &mut Reader, plugins: &BTreeMap<PluginName, PluginConfig>) {
    let mut owners: BTreeMap<&str, &PluginName> = BTreeMap::new();
    for (name, plugin) in plugins {
        let Some(mount) = plugin.mount.as_deref() else { continue };
        if let Some(owner) = owners.insert(mount, name) {
            reader.refuse_in_file(
                &format!("plugin.{name}.mount"),
                format!("`{mount}` is the mount of plugin `{owner}` too: choose another path"),
            );
        }
    }
}

/// Returns the value as a plugin reads it; a date becomes text.
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, to_json(value))).collect(),
    }
}
