//! One attempt to load one version of one plugin, and what the operator's settings say about it.

use std::sync::Arc;

use backplane_runtime::{
    Described, Descriptors, Generation, LoadError, Manifest, PluginName, PluginSettings, Source, manifest::WantedLimits,
};
use tokio::sync::oneshot;

use super::RollBackError;
use crate::{
    app::App,
    config::{InstanceMode, PluginConfig},
    dispatch::{Policy, PolicyError, Transcodings},
    events::{Declaration, DeclarationError},
    folder::FileName,
};

/// Why a version is loaded.
#[derive(Debug)]
pub(super) enum Purpose {
    /// It is what lies in the folder.
    Arrival,
    /// It is what the operator chose earlier, in place of what lies in the folder.
    Pinned,
    /// What lies in the folder was refused, and this version was live before.
    Fallback,
    /// The operator asks for it now.
    RollBack(oneshot::Sender<Result<(), RollBackError>>),
}

/// A version that may go live.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) source: Source,
    pub(super) manifest: Manifest,
    pub(super) descriptors: Option<Arc<Descriptors>>,
    /// Whether it can use what its plugin keeps, or publish.
    pub(super) imports_state: bool,
}

impl Candidate {
    pub(super) fn new(source: Source, described: Described) -> Self {
        let Described { manifest, descriptors, surface, .. } = described;
        let is_state = |import: &String| {
            matches!(import.split('@').next(), Some("backplane:plugin/kv" | "backplane:plugin/events"))
        };
        Self { source, manifest, descriptors, imports_state: surface.imports.iter().any(is_state) }
    }
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Newer attempts for the same file have higher tickets.
    pub(super) ticket: u64,
    pub(super) file: FileName,
    pub(super) candidate: Candidate,
    pub(super) purpose: Purpose,
}

/// An attempt that has ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) ticket: u64,
    pub(super) file: FileName,
    pub(super) plugin: PluginName,
    pub(super) version: String,
    pub(super) source: Source,
    pub(super) imports_state: bool,
    pub(super) purpose: Purpose,
    pub(super) result: Result<Loaded, AttemptError>,
}

/// A version that can go live.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) generation: Arc<Generation>,
    pub(super) policy: Arc<Policy>,
    /// How its methods are called in JSON.
    pub(super) json: Arc<Transcodings>,
    /// Which events it handles, and when it runs.
    pub(super) declaration: Arc<Declaration>,
}

/// Why a version cannot go live.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The operator does not want it.
    #[error("disabled by `disabled = true` under [plugin.{0}]")]
    Disabled(PluginName),
    /// The operator's word on its routes does not go with its own.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What it wants to handle cannot be.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Attempt {
    pub(super) async fn run(self, app: Arc<App>) -> Outcome {
        let Self { ticket, file, candidate, purpose } = self;
        let Candidate { source, manifest, descriptors, imports_state } = candidate;
        let (plugin, version) = (manifest.name.clone(), manifest.version.to_string());
        let result = load(&app, source.clone(), manifest, descriptors).await;
        Outcome { ticket, file, plugin, version, source, imports_state, purpose, result }
    }
}

async fn load(
    app: &App,
    source: Source,
    manifest: Manifest,
    descriptors: Option<Arc<Descriptors>>,
) -> Result<Loaded, AttemptError> {
    let config = app.config.plugin.get(&manifest.name);
    let policy = Policy::join(&manifest, config, &app.rate_limits)?;
    let declaration = Arc::new(Declaration::of(&manifest)?);
    let json = Arc::new(Transcodings::of(&manifest, descriptors.as_deref()));
    let settings = settings_of(&manifest.name, config);
    let generation = app.runtime.load(source, manifest, descriptors, settings).await?;
    Ok(Loaded { generation, policy: Arc::new(policy), json, declaration })
}

/// Makes the runtime's settings of the operator's.
pub(crate) fn settings_of(plugin: &PluginName, config: Option<&PluginConfig>) -> PluginSettings {
    let mount = mount_of(plugin, config);
    let Some(config) = config else { return PluginSettings { mount, ..PluginSettings::default() } };
    PluginSettings {
        mount,
        config: config.config.clone(),
        force_fresh: config.instance == Some(InstanceMode::Fresh),
        limits: WantedLimits {
            memory_bytes_max: config.memory_bytes.map(|bytes| bytes as u64),
            response_bytes_max: config.response_bytes.map(|bytes| bytes as u64),
            concurrency_max: config.concurrency,
            timeout: config.timeout,
            cpu: config.cpu,
        },
    }
}

/// Returns where a plugin answers: an empty text for the root.
pub(crate) fn mount_of(plugin: &PluginName, config: Option<&PluginConfig>) -> String {
    match config.and_then(|config| config.mount.as_deref()) {
        Some(mount) => mount.trim_end_matches('/').to_owned(),
        None => format!("/{plugin}"),
    }
}

#[cfg(test)]
mod tests {
    use backplane_runtime::{ContentHash, Surface};

    use super::*;

    #[test]
    fn a_component_that_imports_keys_or_events_can_use_its_state() {
        let imports_state = |imports: &[&str]| {
            let manifest = Manifest::from_json(br#"{"api":"1.0","name":"a","version":"0.0.1"}"#);
            let manifest = manifest.expect("a valid manifest").manifest;
            let imports = imports.iter().map(ToString::to_string).collect();
            let surface = Surface { imports, exports: Vec::new(), manifest: None, descriptors: None };
            let source = Source { bytes: "".into(), hash: ContentHash::of(b""), sidecar: None };
            Candidate::new(source, Described { manifest, descriptors: None, surface, warnings: Vec::new() })
                .imports_state
        };
        assert!(imports_state(&["backplane:plugin/log@1.0.0", "backplane:plugin/kv@1.0.0"]));
        assert!(imports_state(&["backplane:plugin/kv"]));
        assert!(imports_state(&["backplane:plugin/events@1.0.0"]));
        assert!(!imports_state(&["backplane:plugin/log@1.0.0", "backplane:plugin/kvs@1.0.0"]));
    }
}
