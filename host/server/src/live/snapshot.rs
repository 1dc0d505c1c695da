//! What is known of plugins at one moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use backplane_runtime::{ContentHash, Generation, PluginName};

use crate::{
    dispatch::{Bounds, BuildTableError, Mounted, RouteTable},
    folder::FileName,
};

/// One moment. Never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The routes of `plugins`.
    pub routes: RouteTable,
    /// The plugins that take calls.
    pub plugins: BTreeMap<PluginName, LivePlugin>,
    /// Files that provide no live plugin.
    pub failed: BTreeMap<FileName, FailedFile>,
    /// Generations that were replaced or removed, as long as they have calls to finish.
    pub draining: Vec<Weak<Generation>>,
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

impl Snapshot {
    /// Makes the moment after this one, with `plugins` and `failed` in place of what was.
    ///
    /// # Errors
    /// When two plugins claim one path. `last` is the one to refuse: the others were there before.
    pub(super) fn next(
        &self,
        plugins: BTreeMap<PluginName, LivePlugin>,
        failed: BTreeMap<FileName, FailedFile>,
        last: Option<&PluginName>,
        bounds: Bounds<'_>,
    ) -> Result<Self, BuildTableError> {
        let before = plugins.iter().filter(|(name, _)| Some(*name) != last).map(|(_, plugin)| plugin);
        let ordered = before.chain(last.and_then(|name| plugins.get(name)));
        let routes = RouteTable::build(ordered.map(|plugin| &plugin.mounted), bounds)?;
        let replaced = self.plugins.values().map(|plugin| &plugin.mounted.generation);
        let still_live = |old: &Arc<Generation>| plugins.values().any(|new| Arc::ptr_eq(&new.mounted.generation, old));
        let gone = replaced.filter(|generation| !still_live(generation)).map(Arc::downgrade);
        let draining = self.draining.iter().filter(|weak| weak.strong_count() > 0).cloned().chain(gone).collect();
        Ok(Self { routes, plugins, failed, draining })
    }
}
