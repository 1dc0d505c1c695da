//! What is known of plugins at one moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use backplane_runtime::{ContentHash, Generation, PluginName};

use crate::{
    dispatch::{Bounds, BuildTableError, Mounted, Policy, RouteTable},
    folder::FileName,
};

/// One moment. Never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The routes of `plugins`.
    pub routes: Arc<RouteTable>,
    /// The plugins that take calls.
    pub plugins: BTreeMap<PluginName, LivePlugin>,
    /// Files that provide no live plugin.
    pub failed: BTreeMap<FileName, FailedFile>,
    /// Files that are being loaded; what they provided before is live or failed meanwhile.
    pub loading: BTreeMap<FileName, LoadingFile>,
    /// Generations that were replaced or removed, as long as they have calls to finish.
    pub draining: Vec<Draining>,
}

/// A generation that takes no new calls.
#[derive(Debug, Clone)]
pub struct Draining {
    /// Gone with its last call.
    pub generation: Weak<Generation>,
    /// Who could call it.
    pub policy: Arc<Policy>,
}

/// A plugin that takes calls.
#[derive(Debug, Clone)]
pub struct LivePlugin {
    /// The file that provides it.
    pub file: FileName,
    /// Where it answers, and what answers.
    pub mounted: Mounted,
    /// Why what lies in the file now is not what is live.
    pub newest_failure: Option<String>,
    /// Whether the operator chose an earlier version.
    pub rolled_back: bool,
}

/// A file that provides no live plugin.
#[derive(Debug, Clone)]
pub struct FailedFile {
    /// What the plugin would be called: by its manifest, else by its file.
    pub name: String,
    /// By its manifest, when that could be read.
    pub version: Option<String>,
    /// Of the file's content, when that was read.
    pub hash: Option<ContentHash>,
    /// For the operator.
    pub reason: String,
}

/// A file whose content is being compiled and tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadingFile {
    /// By its manifest.
    pub plugin: PluginName,
    /// By its manifest.
    pub version: String,
    /// Of the content.
    pub hash: ContentHash,
}

/// What the next moment will hold.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) plugins: BTreeMap<PluginName, LivePlugin>,
    pub(super) failed: BTreeMap<FileName, FailedFile>,
}

impl Snapshot {
    /// Starts the next moment with what holds now.
    pub(super) fn draft(&self) -> Draft {
        Draft { plugins: self.plugins.clone(), failed: self.failed.clone() }
    }

    /// Makes the moment after this one, and returns with it the generations that take no calls any more.
    ///
    /// # Errors
    /// When two plugins claim one path. `last` is the one to refuse: the others were there before.
    pub(super) fn next(
        &self,
        draft: Draft,
        loading: BTreeMap<FileName, LoadingFile>,
        last: Option<&PluginName>,
        bounds: Bounds<'_>,
    ) -> Result<(Self, Vec<Arc<Generation>>), BuildTableError> {
        let Draft { plugins, failed } = draft;
        let before = plugins.iter().filter(|(name, _)| Some(*name) != last).map(|(_, plugin)| plugin);
        let ordered = before.chain(last.and_then(|name| plugins.get(name)));
        let routes = Arc::new(RouteTable::build(ordered.map(|plugin| &plugin.mounted), bounds)?);
        let replaced = self.plugins.values().map(|plugin| &plugin.mounted);
        let still_live = |old: &Arc<Generation>| plugins.values().any(|new| Arc::ptr_eq(&new.mounted.generation, old));
        let gone: Vec<_> = replaced.filter(|mounted| !still_live(&mounted.generation)).collect();
        let finishing = self.draining.iter().filter(|draining| draining.generation.strong_count() > 0).cloned();
        let draining = finishing.chain(gone.iter().map(|mounted| Draining::new(mounted))).collect();
        let gone = gone.into_iter().map(|mounted| Arc::clone(&mounted.generation)).collect();
        Ok((Self { routes, plugins, failed, loading, draining }, gone))
    }

    /// Makes the moment after this one, in which other files are being loaded.
    pub(super) fn with_loading(&self, loading: BTreeMap<FileName, LoadingFile>) -> Self {
        let Draft { plugins, failed } = self.draft();
        Self { routes: Arc::clone(&self.routes), plugins, failed, loading, draining: self.draining.clone() }
    }
}

impl Draining {
    fn new(mounted: &Mounted) -> Self {
        Self { generation: Arc::downgrade(&mounted.generation), policy: Arc::clone(&mounted.policy) }
    }
}
