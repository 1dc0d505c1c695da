//! What is kept of plugins over a restart: their last versions, which one is live, and what the operator chose.
//!
//! - The answers come from memory; every change is in the store when its call returns. When it cannot be written the
//!   call says so and memory is right nevertheless: a full disk stops no plugin.
//! - Contents lie beside the database, by their hash, and are kept while a plugin lists them.
//!
//! Calls that change something block on the disk, one after another: make them where that is allowed. Who asks for a
//! history waits for none of them. This module does not know where files come from, how plugins run, or who asks.

mod contents;
mod disk;
mod history;
mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backplane_runtime::{ContentHash, PluginName};
use backplane_store::{Store, StoreError};
use bytes::Bytes;

use self::contents::ContentStore;
pub use self::{
    contents::GetContentError,
    history::{History, Pin, VERSIONS_MAX, VersionRecord},
};

/// The versions of all plugins.
pub struct Versions {
    store: Arc<Store>,
    /// Only written to while `changes` is locked, so that no content is deleted that is about to be listed.
    contents: ContentStore,
    /// Locked by a change from its beginning to its end, its waiting for the disk included: the store has histories in
    /// the order in which memory had them.
    changes: Mutex<()>,
    /// Locked for moments, within a change or by who only asks: never while something waits for the disk.
    histories: Mutex<BTreeMap<PluginName, History>>,
}

/// Why the versions cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenVersionsError {
    /// The folder of the contents cannot be created or listed.
    #[error("the folder of the kept versions cannot be used")]
    Contents(#[source] io::Error),
    /// The store cannot be read.
    #[error("the list of the kept versions cannot be read")]
    Store(#[source] StoreError),
}

/// Why versions cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The content could not be written: this version cannot be rolled back to.
    #[error("failed to keep the content of plugin `{plugin}`")]
    Content {
        /// The plugin.
        plugin: PluginName,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The list of versions could not be written: after a restart it is the one before.
    #[error("failed to keep the versions of plugin `{plugin}`")]
    History {
        /// The plugin.
        plugin: PluginName,
        /// What the store said.
        #[source]
        source: StoreError,
    },
}

/// Why a version cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It is not one of the plugin's kept versions.
    #[error("plugin `{plugin}` has no version {hash}")]
    UnknownVersion {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        hash: ContentHash,
    },
    /// The pin holds until the server is restarted.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

impl Versions {
    /// Opens the versions that `store` lists, and whose contents are kept under the server's data folder.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn open(data: &Path, store: Arc<Store>) -> Result<Self, OpenVersionsError> {
        let contents = ContentStore::open(&data.join("contents")).map_err(OpenVersionsError::Contents)?;
        let rows = store.histories().map_err(OpenVersionsError::Store)?;
        let histories = rows.into_iter().filter_map(|(plugin, rows)| read(&plugin, rows)).collect();
        Ok(Self { store, contents, changes: Mutex::new(()), histories: Mutex::new(histories) })
    }

    /// Returns what is known of a plugin's versions; nothing if it was never live.
    pub fn history(&self, plugin: &PluginName) -> History {
        lock(&self.histories).get(plugin).cloned().unwrap_or_default()
    }

    /// Makes a version the live one and keeps its content, whose hash the record names.
    ///
    /// # Errors
    /// When the disk does not take it, for example because it is full. The version is live in memory all the same.
    pub fn record_live(&self, plugin: &PluginName, record: VersionRecord, content: &[u8]) -> Result<(), KeepError> {
        let _change = lock(&self.changes);
        let (before, hash) = (self.history(plugin), record.hash);
        let mut history = before.clone();
        history.record_live(record);
        // First: it is live already, and who sees that and asks is told so.
        lock(&self.histories).insert(plugin.clone(), history.clone());
        let kept = self.contents.put(hash, content);
        self.write(plugin, &history)?;
        if before.versions.iter().any(|version| history.find(version.hash).is_none()) {
            self.delete_unlisted();
        }
        kept.map_err(|source| KeepError::Content { plugin: plugin.clone(), source })
    }

    /// Notes that the plugin's file is gone: no version is live and none is pinned.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn record_removed(&self, plugin: &PluginName) -> Result<(), KeepError> {
        self.change(plugin, |history| (history.live, history.pin) = (None, None))
    }

    /// Holds a plugin to a kept version while its file has the content `instead_of`, over restarts.
    ///
    /// # Errors
    /// When the version is not kept, or the disk does not take it.
    pub fn pin(&self, plugin: &PluginName, chosen: ContentHash, instead_of: ContentHash) -> Result<(), PinError> {
        if self.history(plugin).find(chosen).is_none() {
            return Err(PinError::UnknownVersion { plugin: plugin.clone(), hash: chosen });
        }
        Ok(self.change(plugin, |history| history.pin = Some(Pin { chosen, instead_of }))?)
    }

    /// Returns the version to run instead of a file with this content, if the operator chose one.
    ///
    /// A pin that was made for other content is dropped by this: the new file is a new decision.
    pub fn pinned(&self, plugin: &PluginName, file_hash: ContentHash) -> Option<ContentHash> {
        let mut pinned = None;
        if let Err(error) = self.change(plugin, |history| pinned = history.settle_pin(file_hash)) {
            tracing::warn!(%plugin, error = &error as &dyn std::error::Error, "a pin that ended was not deleted");
        }
        pinned
    }

    /// Lets the plugin's file decide again.
    ///
    /// # Errors
    /// When the disk does not take it: the pin is back after a restart.
    pub fn forget_pin(&self, plugin: &PluginName) -> Result<(), KeepError> {
        self.change(plugin, |history| history.pin = None)
    }

    /// Returns the content of a kept version.
    ///
    /// # Errors
    /// When it is not kept, or damaged.
    pub fn get_content(&self, hash: ContentHash) -> Result<Bytes, GetContentError> {
        self.contents.get(hash)
    }

    /// Deletes contents that no plugin lists and returns how many that were.
    ///
    /// # Errors
    /// When the contents cannot be listed or deleted.
    pub fn collect_garbage(&self) -> io::Result<usize> {
        let _change = lock(&self.changes);
        self.contents.retain(&self.listed())
    }

    /// Within a change.
    fn delete_unlisted(&self) {
        if let Err(error) = self.contents.retain(&self.listed()) {
            tracing::warn!(%error, "contents that are not needed any more were not deleted");
        }
    }

    /// Changes a plugin's history, in memory and then in the store; a plugin without one stays without.
    fn change(&self, plugin: &PluginName, change: impl FnOnce(&mut History)) -> Result<(), KeepError> {
        let _change = lock(&self.changes);
        let Some(before) = lock(&self.histories).get(plugin).cloned() else { return Ok(()) };
        let mut history = before.clone();
        change(&mut history);
        if history == before {
            return Ok(());
        }
        lock(&self.histories).insert(plugin.clone(), history.clone());
        self.write(plugin, &history)
    }

    fn write(&self, plugin: &PluginName, history: &History) -> Result<(), KeepError> {
        let rows = rows::to_rows(history);
        // The supervisor is a task, though on a thread of its own.
        let written = tokio::task::block_in_place(|| self.store.replace_history(plugin.as_str(), rows));
        written.map_err(|source| KeepError::History { plugin: plugin.clone(), source })
    }

    /// Returns the contents that a plugin lists.
    fn listed(&self) -> BTreeSet<ContentHash> {
        let histories = lock(&self.histories);
        histories.values().flat_map(|history| &history.versions).map(|version| version.hash).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the versions of one plugin. Damaged ones stop nothing: the plugin has none then.
fn read(plugin: &str, rows: backplane_store::versions::History) -> Option<(PluginName, History)> {
    let name = PluginName::new(plugin).ok()?;
    let read = rows::from_rows(rows).inspect_err(|error| {
        let error = error as &dyn std::error::Error;
        tracing::warn!(plugin, error, "the list of versions is damaged: starting a new one");
    });
    Some((name, read.ok()?))
}

#[cfg(test)]
mod tests;
