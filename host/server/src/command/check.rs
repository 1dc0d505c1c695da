//! `backplane check`: says whether the server would take a plugin, and what the plugin asks for.
//!
//! The verdict is the server's own: the file goes through the same steps, up to the first instance. What depends on the
//! server's configuration is known where that is named; what depends on other plugins is not.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use backplane_runtime::{
    ContentHash, Descriptors, LoadError, Manifest, Runtime, RuntimeOptions, Source, describe,
    manifest::{Access, Schedule, Subscription, Timing, TopicPattern},
};
use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use super::{compile, output};
use crate::{
    config::{Config, LimitsConfig, Sources},
    dispatch::{Policy, Transcodings},
    events::Declaration,
    limits::host_limits,
    live::{AttemptError, RouteView, ServiceView, mount_of, settings_of},
    problem::Chain,
    rate_limit::RateLimits,
};

/// Arguments of `backplane check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The component.
    file: PathBuf,
    /// Check it against this configuration of a server too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found out about a file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file, as it was named.
    pub file: String,
    /// Its length.
    pub size_bytes: usize,
    /// SHA-256 of its content.
    pub hash: ContentHash,
    /// Whether a server takes it.
    pub accepted: bool,
    /// Why it does not.
    pub reason: Option<String>,
    /// Things to mend that are no reason to refuse it.
    pub warnings: Vec<String>,
    /// By its manifest, where that can be read.
    pub name: Option<String>,
    /// By its manifest.
    pub version: Option<String>,
    /// What it answers, at the mount that it has by default or by the configuration.
    pub routes: Vec<RouteView>,
    /// Topics that it may publish.
    pub publishes: Vec<TopicPattern>,
    /// Events that it handles.
    pub subscriptions: Vec<Subscription>,
    /// When it runs by the clock.
    pub schedules: Vec<Schedule>,
    /// gRPC services that it answers.
    pub grpc: Vec<ServiceView>,
    /// Settings that a server's configuration must give.
    pub required_settings: Vec<String>,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
}

/// Checks a file and prints the report. Returns whether the file is accepted.
///
/// # Errors
/// When the file or the configuration cannot be read or the engine does not start.
pub fn run(args: &CheckArgs) -> anyhow::Result<bool> {
    let load = |file: &PathBuf| -> anyhow::Result<_> {
        Ok(Config::load(Sources::of_process(Some(file), BTreeMap::default())?)?)
    };
    let config = args.config.as_ref().map(load).transpose()?;
    let report = examine(&args.file, config.as_ref())?;
    output::print(&report, args.json)?;
    Ok(report.accepted)
}

/// Takes the file at `path` through the steps of a server with that configuration, or with none.
///
/// # Errors
/// When the file cannot be read or the engine does not start.
pub fn examine(path: &Path, config: Option<&Config>) -> anyhow::Result<Report> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let sidecar = std::fs::read_to_string(path.with_extension("toml")).ok();
    let source = Source { hash: ContentHash::of(&bytes), bytes: Bytes::from(bytes), sidecar };
    let mut report = Report::new(path, &source);
    if let Err(error) = fill(&mut report, source, config)? {
        report.reason = Some(Chain(&error).to_string());
    }
    report.accepted = report.reason.is_none();
    Ok(report)
}

fn fill(report: &mut Report, source: Source, config: Option<&Config>) -> anyhow::Result<Result<(), AttemptError>> {
    let described = match describe(&source.bytes, source.sidecar.as_deref()) {
        Ok(described) => described,
        Err(error) => return Ok(Err(error.into())),
    };
    let manifest = described.manifest;
    report.name = Some(manifest.name.to_string());
    report.version = Some(manifest.version.to_string());
    report.warnings = described.warnings;
    report.imports = described.surface.imports;
    report.exports = described.surface.exports;
    let required = manifest.config.iter().filter(|setting| setting.required && setting.default.is_none());
    report.required_settings = required.map(|setting| setting.key.clone()).collect();
    report.publishes.clone_from(&manifest.publishes);
    report.subscriptions.clone_from(&manifest.subscriptions);
    report.schedules.clone_from(&manifest.schedules);
    if let Err(error) = report.list_routes(&manifest, described.descriptors.as_deref(), config) {
        return Ok(Err(error));
    }
    if let Err(error) = Declaration::of(&manifest) {
        return Ok(Err(error.into()));
    }
    // A server gives these; without its configuration there is nothing to give, so the check ends at the settings.
    let is_about_settings = |error: &LoadError| matches!(error, LoadError::Setting { .. });
    match load(source, manifest, described.descriptors, config)? {
        Err(error) if config.is_none() && !report.required_settings.is_empty() && is_about_settings(&error) => {
            report.warnings.push("it was not compiled and tried out: that needs its required settings".to_owned());
            Ok(Ok(()))
        }
        result => Ok(result.map_err(AttemptError::Load)),
    }
}

fn load(
    source: Source,
    manifest: Manifest,
    descriptors: Option<Arc<Descriptors>>,
    config: Option<&Config>,
) -> anyhow::Result<Result<(), LoadError>> {
    let limits = config.map_or_else(LimitsConfig::default, |config| config.limits.clone());
    let runtime = Runtime::start(RuntimeOptions {
        limits: host_limits(&limits),
        cache_directory: None,
        compile_command: compile::command(),
        threads: 1,
    })?;
    let settings = settings_of(&manifest.name, config.and_then(|config| config.plugin.get(&manifest.name)));
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let loaded = threads.block_on(runtime.load(source, manifest, descriptors, settings));
    Ok(loaded.map(|generation| generation.retire()))
}

impl Report {
    fn new(path: &Path, source: &Source) -> Self {
        Self {
            file: path.display().to_string(),
            size_bytes: source.bytes.len(),
            hash: source.hash,
            accepted: false,
            reason: None,
            warnings: Vec::new(),
            name: None,
            version: None,
            routes: Vec::new(),
            publishes: Vec::new(),
            subscriptions: Vec::new(),
            schedules: Vec::new(),
            grpc: Vec::new(),
            required_settings: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
        }
    }
}

impl Report {
    /// Fills in what the plugin answers, for whom, as far as the operator's word is known.
    fn list_routes(
        &mut self,
        manifest: &Manifest,
        descriptors: Option<&Descriptors>,
        config: Option<&Config>,
    ) -> Result<(), AttemptError> {
        let (plugin, limits) = match config {
            Some(config) => (config.plugin.get(&manifest.name), RateLimits::new(config)),
            None => (None, RateLimits::default()),
        };
        if plugin.is_some_and(|plugin| plugin.disabled) {
            return Err(AttemptError::Disabled(manifest.name.clone()));
        }
        let policy = Policy::join(manifest, plugin, &limits)?;
        let mount = mount_of(&manifest.name, plugin);
        self.routes = RouteView::list(&mount, manifest, &policy);
        self.grpc = ServiceView::list(manifest, &policy, Some((&mount, &Transcodings::of(manifest, descriptors))));
        Ok(())
    }
}

/// Says in words who may call a route.
fn who(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::SignedIn => "signed-in".to_owned(),
        Access::Restricted { roles, scopes } => {
            let lists = [("roles", roles), ("scopes", scopes)].into_iter().filter(|(_, names)| !names.is_empty());
            lists.map(|(kind, names)| format!("{kind} {}", names.join(" "))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Says in words when a schedule runs.
fn when(timing: &Timing) -> String {
    match timing {
        Timing::Every { every } => format!("every {every:?}"),
        Timing::Cron { pattern, zone } => format!("at `{pattern}` in {zone}"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file)?;
        if let (Some(name), Some(version)) = (&self.name, &self.version) {
            writeln!(f, "  plugin    {name} {version}")?;
        }
        writeln!(f, "  size      {} bytes", self.size_bytes)?;
        writeln!(f, "  sha-256   {}", self.hash)?;
        for route in &self.routes {
            writeln!(f, "  route     {} {}, {}", route.method, route.path, who(&route.access))?;
        }
        for topics in &self.publishes {
            writeln!(f, "  publishes {topics}")?;
        }
        for Subscription { pattern, attempts, .. } in &self.subscriptions {
            writeln!(f, "  handles   {pattern}, {attempts} attempts")?;
        }
        for Schedule { handler, timing, .. } in &self.schedules {
            writeln!(f, "  runs      {handler} {}", when(timing))?;
        }
        for ServiceView { service, methods } in &self.grpc {
            for method in methods {
                writeln!(f, "  grpc      {service}/{}, {}", method.name, who(&method.access))?;
            }
        }
        for import in &self.imports {
            writeln!(f, "  imports   {import}")?;
        }
        for export in &self.exports {
            writeln!(f, "  exports   {export}")?;
        }
        for key in &self.required_settings {
            let plugin = self.name.as_deref().unwrap_or_default();
            writeln!(f, "  needs     `{key}` under [plugin.{plugin}.config]")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning   {warning}")?;
        }
        match &self.reason {
            None => writeln!(f, "  verdict   accepted"),
            Some(reason) => writeln!(f, "  verdict   refused: {reason}"),
        }
    }
}
