//! What undoes the writes since a mark: what each key that was changed had before.

use std::{collections::BTreeMap, sync::Arc};

use super::writes::Size;
use crate::keyspace::Change;

/// The writes as they were at the mark, where they have changed.
#[derive(Debug)]
pub(super) struct Undo {
    /// How much was written then.
    pub(super) size: Size,
    /// `None` where nothing was written.
    pub(super) before: BTreeMap<Arc<str>, BTreeMap<Vec<u8>, Option<Change>>>,
}

impl Undo {
    pub(super) fn knows(&self, bucket: &str, key: &[u8]) -> bool {
        self.before.get(bucket).is_some_and(|keys| keys.contains_key(key))
    }

    /// Remembers what was written to a key that was not changed since the mark.
    pub(super) fn remember(&mut self, bucket: &str, key: Vec<u8>, before: Option<Change>) {
        match self.before.get_mut(bucket) {
            Some(keys) => drop(keys.insert(key, before)),
            None => drop(self.before.insert(bucket.into(), BTreeMap::from([(key, before)]))),
        }
    }
}
