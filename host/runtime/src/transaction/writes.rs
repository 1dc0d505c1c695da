//! What a run wants to write: at most one change for each key, in the order of the keys.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    bindings::backplane::plugin::kv::Error,
    keyspace::{Change, KeyRange, KeyWrite},
    transaction::{ENTRY_BYTES, TooLarge, integer, undo::Undo},
};

/// Most keys that one transaction writes.
pub(super) const WRITES_MAX: usize = 10_000;
/// Most bytes of keys and values that one transaction writes.
pub(super) const WRITTEN_BYTES_MAX: usize = 4 << 20;
/// What an increment may come to as decimal text.
const INTEGER_BYTES_MAX: usize = 20;

/// Changes by bucket and key.
#[derive(Debug, Default)]
pub(super) struct Writes {
    buckets: BTreeMap<Arc<str>, BTreeMap<Vec<u8>, Change>>,
    size: Size,
    /// Set from the first mark on.
    undo: Option<Undo>,
}

/// How much is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) keys: usize,
    pub(super) bytes: usize,
    /// Memory of what can be undone. It is bounded with the rest: a key is remembered once for a mark.
    pub(super) undo_bytes: usize,
}

impl Writes {
    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn find(&self, bucket: &str, key: &[u8]) -> Option<&Change> {
        self.buckets.get(bucket)?.get(key)
    }

    /// Returns the changes in `range`, in ascending order.
    pub(super) fn range<'a>(
        &'a self,
        bucket: &str,
        range: &KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Change)> + use<'a> {
        self.buckets.get(bucket).map(|changes| range.of(changes)).into_iter().flatten()
    }

    /// Returns the size with `change` in place, when it is allowed.
    pub(super) fn size_with(&self, bucket: &str, key: &[u8], change: &Change) -> Result<Size, TooLarge> {
        let Size { mut keys, mut bytes, mut undo_bytes } = self.size;
        let old = self.find(bucket, key);
        match old {
            Some(old) => bytes -= bytes_of(key, old),
            None => keys += 1,
        }
        if self.remembers(bucket, key) {
            undo_bytes += ENTRY_BYTES + old.map_or(key.len(), |old| bytes_of(key, old));
        }
        bytes += bytes_of(key, change);
        if keys > WRITES_MAX || bytes > WRITTEN_BYTES_MAX {
            return Err(TooLarge);
        }
        Ok(Size { keys, bytes, undo_bytes })
    }

    /// Puts `change` in place, with the size that [`Writes::size_with`] has allowed.
    pub(super) fn put(&mut self, bucket: &str, key: Vec<u8>, change: Change, size: Size) {
        let remembered = self.remembers(bucket, &key).then(|| key.clone());
        self.size = size;
        let old = match self.buckets.get_mut(bucket) {
            Some(changes) => changes.insert(key, change),
            None => {
                self.buckets.insert(bucket.into(), BTreeMap::from([(key, change)]));
                None
            }
        };
        if let (Some(undo), Some(key)) = (&mut self.undo, remembered) {
            undo.remember(bucket, key, old);
        }
    }

    /// Keeps what is there, whatever happens to what comes.
    pub(super) fn mark(&mut self) {
        self.size.undo_bytes = 0;
        self.undo = Some(Undo { size: self.size, before: BTreeMap::new() });
    }

    /// Takes back what came since the mark, everything without one.
    pub(super) fn undo(&mut self) {
        let Some(undo) = self.undo.take() else {
            *self = Self::default();
            return;
        };
        self.size = undo.size;
        for (bucket, keys) in undo.before {
            let Some(changes) = self.buckets.get_mut(&bucket) else { continue };
            for (key, before) in keys {
                match before {
                    Some(before) => drop(changes.insert(key, before)),
                    None => drop(changes.remove(&key)),
                }
            }
        }
    }

    /// Returns whether what `key` holds now has to be kept when it is changed.
    fn remembers(&self, bucket: &str, key: &[u8]) -> bool {
        self.undo.as_ref().is_some_and(|undo| !undo.knows(bucket, key))
    }

    /// Returns what the key's change becomes when `by` is added to what it holds.
    pub(super) fn incremented(&self, bucket: &str, key: &[u8], by: i64) -> Result<Change, Error> {
        Ok(match self.find(bucket, key) {
            None => Change::Increment { by },
            Some(Change::Increment { by: before }) => {
                Change::Increment { by: before.checked_add(by).ok_or(Error::NotAnInteger)? }
            }
            Some(Change::Set { value, ttl_ms }) => {
                Change::Set { value: integer::add(Some(value), by)?, ttl_ms: *ttl_ms }
            }
            Some(Change::Delete) => Change::Set { value: integer::add(None, by)?, ttl_ms: None },
        })
    }

    pub(super) fn into_list(self) -> Vec<KeyWrite> {
        let mut list = Vec::with_capacity(self.size.keys);
        for (bucket, changes) in self.buckets {
            list.extend(changes.into_iter().map(|(key, change)| KeyWrite { bucket: Arc::clone(&bucket), key, change }));
        }
        list
    }
}

fn bytes_of(key: &[u8], change: &Change) -> usize {
    key.len()
        + match change {
            Change::Set { value, .. } => value.len(),
            Change::Delete => 0,
            Change::Increment { .. } => INTEGER_BYTES_MAX,
        }
}
