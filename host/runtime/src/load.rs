//! From bytes to a generation.
//!
//! Each step can refuse, and none runs the guest's code before all that can be known without it is known:
//! surface, manifest, imports, settings, compiled code, exports, and at last one instance as a canary.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use serde_json::Value;
use wasmtime::component::Component;

use crate::{
    bindings::exports::backplane::plugin::{event_handler, grpc_handler, http_handler, lifecycle, schedule_handler},
    cache::CodeCache,
    capability,
    compile::{CompileCommand, CompileError, Compiler},
    descriptors::{Descriptors, DescriptorsError},
    generation::Generation,
    hash::ContentHash,
    host::{Host, StartError},
    inspect::{Surface, SurfaceError, inspect},
    instance::Blueprint,
    invoke::InvokeError,
    limits::{HostLimits, PluginLimits},
    manifest::{InstanceMode, Manifest, ManifestError, Parsed, WantedLimits},
    state::PluginEnv,
};

/// The export that answers gRPC.
const GRPC_HANDLER: &str = "backplane:plugin/grpc-handler@1.0.0";

/// What a runtime is made of.
#[derive(Debug)]
pub struct RuntimeOptions {
    /// Bounds of the host and of its plugins.
    pub limits: HostLimits,
    /// Where compiled code is kept; without, every load compiles.
    pub cache_directory: Option<PathBuf>,
    /// How a compiler is started.
    pub compile_command: CompileCommand,
    /// Threads for long calls, and compilers at the same time.
    pub threads: usize,
}

/// A plugin's file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The component.
    pub bytes: Bytes,
    /// Hash of `bytes`.
    pub hash: ContentHash,
    /// TOML of the manifest beside the file, for a component that carries none.
    pub sidecar: Option<String>,
}

/// What the operator decided about one plugin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PluginSettings {
    /// Where its routes answer, for the guest to know; empty at the root.
    pub mount: String,
    /// Values for the manifest's `config`.
    pub config: serde_json::Map<String, Value>,
    /// Whether instances are never reused, whatever the manifest says.
    pub force_fresh: bool,
    /// Bounds in place of the manifest's.
    pub limits: WantedLimits,
}

/// A manifest with the operator's decisions still to come.
#[derive(Debug)]
pub struct Described {
    /// What the plugin says about itself.
    pub manifest: Manifest,
    /// What the messages of its gRPC services look like.
    pub descriptors: Option<Arc<Descriptors>>,
    /// What it imports and exports. The bytes of the descriptors are moved out of it.
    pub surface: Surface,
    /// What was noticed that is no reason to refuse it, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not a whole component.
    #[error(transparent)]
    Surface(#[from] SurfaceError),
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The descriptors of its gRPC services are refused.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// There is no manifest in the component and none beside it.
    #[error("component has no manifest: build it with the SDK, or put a `.toml` of the same name beside it")]
    NoManifest,
    /// The component wants something that this host does not offer.
    #[error("component imports `{import}`, which this host does not offer")]
    UnknownImport {
        /// The interface, with its version.
        import: String,
    },
    /// The manifest promises what the component does not export.
    #[error("manifest lists {listed}, but the component does not export `backplane:plugin/{export}@1.0.0`")]
    MissingExport {
        /// What the manifest promises.
        listed: &'static str,
        /// What would keep the promise.
        export: &'static str,
    },
    /// The component answers gRPC, and nothing says what.
    #[error("component exports `{GRPC_HANDLER}`, but its manifest lists no services under `grpc`")]
    UnlistedExport,
    /// The operator's settings do not fit the manifest.
    #[error("setting `{key}` {reason}: write it under [plugin.{plugin}.config]")]
    Setting {
        /// The plugin.
        plugin: String,
        /// Which setting.
        key: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The compiler failed.
    #[error("failed to compile")]
    Compile(#[source] CompileError),
    /// The compiled component cannot be linked, or does not fit the limits.
    #[error("failed to link: {0:#}")]
    Link(wasmtime::Error),
    /// The first instance did not start.
    #[error("failed to start")]
    Canary(#[source] InvokeError),
}

/// Loads plugins.
pub struct Runtime(Arc<Loader>);

struct Loader {
    host: Arc<Host>,
    compiler: Compiler,
    cache: Option<CodeCache>,
}

/// Reads what a component says about itself, without an engine.
///
/// # Errors
/// When the file, its manifest or its imports are refused.
pub fn describe(component: &[u8], sidecar: Option<&str>) -> Result<Described, LoadError> {
    let mut surface = inspect(component)?;
    let Parsed { manifest, mut warnings } = match (&surface.manifest, sidecar) {
        (Some(section), _) => Manifest::from_json(section)?,
        (None, Some(text)) => Manifest::from_toml(text)?,
        (None, None) => return Err(LoadError::NoManifest),
    };
    if surface.manifest.is_some() && sidecar.is_some() {
        warnings.push("the file beside the component is ignored: the component carries its own manifest".to_owned());
    }
    if manifest.has_no_handlers() {
        warnings.push(
            "the manifest lists no routes, subscriptions, schedules or gRPC services: the plugin never runs".to_owned(),
        );
    }
    if let Some(import) = surface.imports.iter().find(|import| !capability::is_offered(import)) {
        return Err(LoadError::UnknownImport { import: import.clone() });
    }
    if manifest.grpc.is_empty() && surface.exports.iter().any(|export| export == GRPC_HANDLER) {
        return Err(LoadError::UnlistedExport);
    }
    let descriptors = Descriptors::read(surface.descriptors.take(), &manifest)?.map(Arc::new);
    Ok(Described { manifest, descriptors, surface, warnings })
}

impl Runtime {
    /// Starts the engine and its threads.
    ///
    /// # Errors
    /// When the system does not give what they need.
    pub fn start(options: RuntimeOptions) -> Result<Self, StartError> {
        let host = Host::start(options.limits, options.threads)?;
        let cache = match &options.cache_directory {
            Some(directory) => {
                let cache = CodeCache::open(directory, &host.engine, host.limits.cache_bytes_max);
                Some(cache.map_err(StartError::Cache)?)
            }
            None => None,
        };
        let compiler = Compiler::new(options.compile_command, &host.limits, options.threads);
        Ok(Self(Arc::new(Loader { host, compiler, cache })))
    }

    /// Returns the bounds that the runtime was started with.
    pub fn limits(&self) -> &HostLimits {
        &self.0.host.limits
    }

    /// Makes a generation of a component that [`describe`] has accepted. It takes calls at once.
    ///
    /// The work runs at low priority: loading one plugin does not slow the calls of another.
    ///
    /// # Errors
    /// When the plugin must not go live; the reason is for the operator.
    pub async fn load(
        &self,
        source: Source,
        manifest: Manifest,
        descriptors: Option<Arc<Descriptors>>,
        settings: PluginSettings,
    ) -> Result<Arc<Generation>, LoadError> {
        let loader = Arc::clone(&self.0);
        let work = async move { loader.load(&source, manifest, descriptors, &settings).await };
        self.0.host.slow_lane.handle().spawn(work).await.unwrap_or(Err(LoadError::Canary(InvokeError::Lost)))
    }
}

impl Loader {
    async fn load(
        &self,
        source: &Source,
        manifest: Manifest,
        descriptors: Option<Arc<Descriptors>>,
        settings: &PluginSettings,
    ) -> Result<Arc<Generation>, LoadError> {
        let values = resolve_settings(&manifest, &settings.config)?;
        let component = self.compile(source).await?;
        let pre = self.host.link(&component).map_err(LoadError::Link)?;
        let http = http_handler::GuestIndices::new(&pre).ok();
        let events = event_handler::GuestIndices::new(&pre).ok();
        let schedules = schedule_handler::GuestIndices::new(&pre).ok();
        let grpc = grpc_handler::GuestIndices::new(&pre).ok();
        for (is_missing, listed, export) in [
            (http.is_none() && !manifest.routes.is_empty(), "routes", "http-handler"),
            (events.is_none() && !manifest.subscriptions.is_empty(), "subscriptions", "event-handler"),
            (schedules.is_none() && !manifest.schedules.is_empty(), "schedules", "schedule-handler"),
            (grpc.is_none() && !manifest.grpc.is_empty(), "gRPC services", "grpc-handler"),
        ] {
            if is_missing {
                return Err(LoadError::MissingExport { listed, export });
            }
        }
        component.initialize_copy_on_write_image().map_err(LoadError::Link)?;
        let limits = &self.host.limits;
        let plugin = Arc::new(PluginEnv {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            mount: settings.mount.clone(),
            settings: values,
            publishes: manifest.publishes.clone(),
            commons: self.host.commons(&manifest.name),
        });
        let limits = PluginLimits::resolve(limits, &manifest, &settings.limits);
        let lifecycle = lifecycle::GuestIndices::new(&pre).ok();
        let mode = if settings.force_fresh { InstanceMode::Fresh } else { manifest.instance };
        let blueprint = Blueprint { pre, http, events, schedules, grpc, lifecycle, descriptors, plugin, limits };
        let generation = Generation::new(manifest, source.hash, mode, Arc::clone(&self.host), blueprint);
        generation.run_canary().await.map_err(LoadError::Canary)?;
        Ok(generation)
    }

    async fn compile(&self, source: &Source) -> Result<Component, LoadError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.find(source.hash, &self.host.engine)) {
            return Ok(component);
        }
        let code = self.compiler.compile(&source.bytes).await.map_err(LoadError::Compile)?;
        let component = match &self.cache {
            Some(cache) => cache.insert(source.hash, &self.host.engine, &code),
            None => crate::cache::load_compiled(&self.host.engine, &code),
        };
        component.map_err(LoadError::Link)
    }
}

/// Joins the operator's values with the manifest's defaults, as JSON text.
fn resolve_settings(
    manifest: &Manifest,
    given: &serde_json::Map<String, Value>,
) -> Result<HashMap<String, String>, LoadError> {
    let refuse = |key: &str, reason: String| LoadError::Setting {
        plugin: manifest.name.to_string(),
        key: key.to_owned(),
        reason,
    };
    let declared = |key: &String| manifest.config.iter().any(|setting| setting.key == *key);
    if let Some(key) = given.keys().find(|key| !declared(key)) {
        let known: Vec<_> = manifest.config.iter().map(|setting| setting.key.as_str()).collect();
        return Err(refuse(key, format!("is not one that the plugin declares ({})", known.join(", "))));
    }
    let mut values = HashMap::new();
    for setting in &manifest.config {
        match given.get(&setting.key).or(setting.default.as_ref()) {
            Some(value) if !setting.kind.admits(value) => {
                return Err(refuse(&setting.key, format!("is {value}, but must be {}", setting.kind.described())));
            }
            Some(value) => drop(values.insert(setting.key.clone(), value.to_string())),
            None if setting.required => {
                return Err(refuse(&setting.key, format!("is missing and must be {}", setting.kind.described())));
            }
            None => {}
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that exports `exports`, with a manifest that has `rest`.
    fn component(exports: &[&str], rest: &str) -> Vec<u8> {
        let manifest =
            format!(r#"{{\"api\":\"1.0\",\"name\":\"a\",\"version\":\"0.0.1\"{}}}"#, rest.replace('"', r#"\""#));
        let exports: String =
            exports.iter().map(|name| format!(r#"(instance) (export "{name}" (instance 0))"#)).collect();
        let text = format!(r#"(component (@custom "backplane:manifest" "{manifest}") {exports})"#);
        wat::parse_str(text).expect("valid text")
    }

    const SERVICE: &str = r#","grpc":[{"service":"a.S","methods":[{"name":"M"}]}]"#;

    #[test]
    fn what_answers_grpc_says_what_it_answers() {
        let unlisted = describe(&component(&[GRPC_HANDLER], ""), None);
        assert!(matches!(unlisted, Err(LoadError::UnlistedExport)));
        let undescribed = describe(&component(&[GRPC_HANDLER], SERVICE), None);
        assert!(matches!(undescribed, Err(LoadError::Descriptors(DescriptorsError::Missing))));
    }

    #[test]
    fn a_plugin_that_is_never_called_is_warned_about() {
        let described = describe(&component(&[], ""), None).expect("a plugin");
        assert!(described.warnings[0].contains("the plugin never runs"), "{:?}", described.warnings);
        assert!(described.descriptors.is_none());
    }
}
