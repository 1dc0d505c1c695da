//! What a run has read, for the commit to validate.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    keyspace::{KeyRead, RangeRead, Seen},
    transaction::TooLarge,
};

/// Most keys that one writing transaction remembers.
pub(super) const KEYS_MAX: usize = 10_000;
/// Most ranges that one writing transaction remembers.
pub(super) const RANGES_MAX: usize = 1_000;

/// Keys and ranges, each once.
#[derive(Debug, Default)]
pub(super) struct Reads {
    keys: BTreeMap<Arc<str>, BTreeMap<Vec<u8>, Seen>>,
    ranges: Vec<RangeRead>,
    count: usize,
    bytes: usize,
}

impl Reads {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.ranges.is_empty()
    }

    /// Returns how many keys and ranges are remembered.
    pub(super) fn count(&self) -> usize {
        self.count + self.ranges.len()
    }

    /// Returns the bytes of all keys, those at the ends of ranges included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Remembers a key. What it saw before is what it sees now, so the first time counts.
    pub(super) fn add_key(&mut self, bucket: &str, key: Vec<u8>, seen: Seen) -> Result<(), TooLarge> {
        if self.keys.get(bucket).is_some_and(|keys| keys.contains_key(&key)) {
            return Ok(());
        }
        if self.count == KEYS_MAX {
            return Err(TooLarge);
        }
        self.count += 1;
        self.bytes += key.len();
        match self.keys.get_mut(bucket) {
            Some(keys) => drop(keys.insert(key, seen)),
            None => drop(self.keys.insert(bucket.into(), BTreeMap::from([(key, seen)]))),
        }
        Ok(())
    }

    /// Remembers a range.
    pub(super) fn add_range(&mut self, read: RangeRead) -> Result<(), TooLarge> {
        if self.ranges.contains(&read) {
            return Ok(());
        }
        if self.ranges.len() == RANGES_MAX {
            return Err(TooLarge);
        }
        self.bytes += [&read.range.from, &read.range.to].map(edge_bytes).iter().sum::<usize>();
        self.ranges.push(read);
        Ok(())
    }

    /// Returns whether something was read that is not committed yet, or was not when it was read.
    pub(super) fn rely_on_pending(&self) -> bool {
        let mut all = self.keys.values().flat_map(BTreeMap::values);
        all.any(|seen| matches!(seen, Seen::Written(_) | Seen::Absent { after: Some(_) }))
    }

    pub(super) fn into_lists(self) -> (Vec<KeyRead>, Vec<RangeRead>) {
        let mut list = Vec::with_capacity(self.count);
        for (bucket, keys) in self.keys {
            list.extend(keys.into_iter().map(|(key, seen)| KeyRead { bucket: Arc::clone(&bucket), key, seen }));
        }
        (list, self.ranges)
    }
}

fn edge_bytes(bound: &std::ops::Bound<Vec<u8>>) -> usize {
    match bound {
        std::ops::Bound::Included(key) | std::ops::Bound::Excluded(key) => key.len(),
        std::ops::Bound::Unbounded => 0,
    }
}
