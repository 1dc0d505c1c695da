//! Tells without a look at the database that nothing was written to a key, or to a bucket, since a snapshot.
//!
//! A stamp is the newest version that was written to any of the keys that share it. It may be too new (another key's,
//! or that of a batch that failed), never too old: `true` is the truth, `false` means that one has to look.

use std::hash::{BuildHasher as _, RandomState};

use crate::keys::Name;

/// Stamps of keys: 512 KiB.
const KEYS: usize = 1 << 16;
/// Stamps of buckets: as much. A long listing of a bucket that shares the stamp of a busy one is a conflict each time.
const BUCKETS: usize = 1 << 16;

/// The newest versions by key and by bucket.
pub(super) struct Stamps {
    keys: Box<[i64]>,
    buckets: Box<[i64]>,
    /// Everything may have been written by this version.
    floor: i64,
    /// Keyed at random: no guest can aim at another's stamps.
    hasher: RandomState,
}

impl Stamps {
    /// Returns stamps that know nothing about what was written before the version `floor`.
    pub(super) fn new(floor: i64) -> Self {
        Self {
            keys: vec![0; KEYS].into_boxed_slice(),
            buckets: vec![0; BUCKETS].into_boxed_slice(),
            floor,
            hasher: RandomState::new(),
        }
    }

    /// Takes everything for written by `version`.
    pub(super) fn raise_floor(&mut self, version: i64) {
        self.floor = self.floor.max(version);
    }

    /// Notes that `version` wrote a key.
    pub(super) fn note(&mut self, name: Name<'_>, version: i64) {
        let (key, bucket) = (self.key_slot(name), self.bucket_slot(name.plugin_id, name.bucket));
        for stamp in [self.keys.get_mut(key), self.buckets.get_mut(bucket)].into_iter().flatten() {
            *stamp = (*stamp).max(version);
        }
    }

    /// Returns whether a key is surely as a snapshot of the sequence `snapshot` saw it.
    pub(super) fn key_is_unchanged(&self, name: Name<'_>, snapshot: i64) -> bool {
        self.is_at_most(self.keys.get(self.key_slot(name)), snapshot)
    }

    /// As [`Stamps::key_is_unchanged`], for all keys of a bucket.
    pub(super) fn bucket_is_unchanged(&self, plugin_id: i64, bucket: &str, snapshot: i64) -> bool {
        self.is_at_most(self.buckets.get(self.bucket_slot(plugin_id, bucket)), snapshot)
    }

    fn is_at_most(&self, stamp: Option<&i64>, snapshot: i64) -> bool {
        self.floor <= snapshot && stamp.is_some_and(|stamp| *stamp <= snapshot)
    }

    fn key_slot(&self, name: Name<'_>) -> usize {
        slot(self.hasher.hash_one(name), KEYS)
    }

    fn bucket_slot(&self, plugin_id: i64, bucket: &str) -> usize {
        slot(self.hasher.hash_one((plugin_id, bucket)), BUCKETS)
    }
}

/// `count` is a power of two, so the lowest bits are as good as any.
fn slot(hash: u64, count: usize) -> usize {
    usize::try_from(hash & (count as u64 - 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<'a>(plugin_id: i64, bucket: &'a str, key: &'a str) -> Name<'a> {
        Name { plugin_id, bucket, key: key.as_bytes() }
    }

    #[test]
    fn a_snapshot_from_before_a_write_has_to_look() {
        let mut stamps = Stamps::new(10);
        assert!(stamps.key_is_unchanged(name(1, "b", "k"), 10));
        stamps.note(name(1, "b", "k"), 11);
        assert!(!stamps.key_is_unchanged(name(1, "b", "k"), 10));
        assert!(!stamps.bucket_is_unchanged(1, "b", 10));
        assert!(stamps.key_is_unchanged(name(1, "b", "k"), 11));
        assert!(stamps.bucket_is_unchanged(1, "b", 11));
    }

    #[test]
    fn most_other_keys_and_buckets_need_no_look() {
        let mut stamps = Stamps::new(0);
        stamps.note(name(1, "b", "k"), 1);
        let others = (0..1000).map(|key| key.to_string()).collect::<Vec<_>>();
        let unchanged = others.iter().filter(|key| stamps.key_is_unchanged(name(1, "b", key), 0)).count();
        assert!(unchanged > 900, "{unchanged}");
        let unchanged = others.iter().filter(|bucket| stamps.bucket_is_unchanged(1, bucket, 0)).count();
        assert!(unchanged > 900, "{unchanged}");
        let unchanged = (2..1000).filter(|plugin| stamps.bucket_is_unchanged(*plugin, "b", 0)).count();
        assert!(unchanged > 900, "{unchanged}");
    }

    #[test]
    fn many_busy_buckets_leave_most_others_alone() {
        let mut stamps = Stamps::new(0);
        (0..1000).for_each(|plugin| stamps.note(name(plugin, "b", "k"), 1));
        let unchanged = (1000..2000).filter(|plugin| stamps.bucket_is_unchanged(*plugin, "b", 0)).count();
        assert!(unchanged > 900, "{unchanged}");
    }

    #[test]
    fn an_older_write_does_not_turn_a_stamp_back() {
        let mut stamps = Stamps::new(0);
        stamps.note(name(1, "b", "k"), 5);
        stamps.note(name(1, "b", "k"), 3);
        assert!(!stamps.key_is_unchanged(name(1, "b", "k"), 4));
    }

    #[test]
    fn below_the_floor_everything_has_to_look() {
        let mut stamps = Stamps::new(10);
        assert!(!stamps.key_is_unchanged(name(1, "b", "k"), 9));
        stamps.raise_floor(20);
        assert!(!stamps.key_is_unchanged(name(1, "b", "k"), 19));
        assert!(!stamps.bucket_is_unchanged(1, "b", 19));
        assert!(stamps.key_is_unchanged(name(1, "b", "k"), 20));
    }
}
