//! One plugin's part of the store.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Semaphore;

use crate::writer::Load;

/// What a plugin may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Keys, those that expired and were not deleted yet among them.
    pub keys: u64,
    /// Bytes: of a key its bucket's name, itself and its value; of a stored reply its body and headers.
    pub bytes: u64,
}

impl Default for Quota {
    /// A million keys, 256 MiB.
    fn default() -> Self {
        Self { keys: 1_000_000, bytes: 256 << 20 }
    }
}

/// One plugin's part of the store. There is one for each plugin, which all of its generations share.
#[derive(Debug)]
pub struct Space {
    id: i64,
    plugin: String,
    keys_max: AtomicU64,
    bytes_max: AtomicU64,
    /// The snapshots that it may have open.
    pub(crate) readers: Arc<Semaphore>,
    /// Its commits that wait for the writer.
    pub(crate) load: Load,
}

impl Space {
    pub(crate) fn new(id: i64, plugin: &str, quota: Quota, readers_max: usize) -> Self {
        Self {
            id,
            plugin: plugin.to_owned(),
            keys_max: AtomicU64::new(quota.keys),
            bytes_max: AtomicU64::new(quota.bytes),
            readers: Arc::new(Semaphore::new(readers_max)),
            load: Load::default(),
        }
    }

    /// Returns the plugin's id in the database.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Returns the plugin's name.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Returns what the plugin may keep.
    pub fn quota(&self) -> Quota {
        Quota { keys: self.keys_max.load(Ordering::Relaxed), bytes: self.bytes_max.load(Ordering::Relaxed) }
    }

    pub(crate) fn set_quota(&self, quota: Quota) {
        self.keys_max.store(quota.keys, Ordering::Relaxed);
        self.bytes_max.store(quota.bytes, Ordering::Relaxed);
    }
}
