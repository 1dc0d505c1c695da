//! What the commits of turns write that are handed over and not decided.
//!
//! One layer, whatever the number of commits: of two that write one key, the later one shows.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicI64},
};

use crate::keyspace::{Change, KeyRange, Mark, Transaction};

/// Pending writes by bucket and key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending(BTreeMap<Arc<str>, BTreeMap<Vec<u8>, PendingWrite>>);

/// The last pending write of a key.
#[derive(Debug, Clone)]
pub(crate) struct PendingWrite {
    /// Of the commit that it belongs to.
    pub(crate) mark: Mark,
    pub(crate) change: PendingChange,
}

/// What a key will hold.
#[derive(Debug, Clone)]
pub(crate) enum PendingChange {
    /// A value, until a time.
    Set { value: Arc<[u8]>, expires_at_ms: Option<i64> },
    /// Nothing.
    Delete,
    /// What only the commit can tell: a sum, or a value whose end counts from the time of the commit.
    Unclear,
}

/// The keys that one commit writes.
pub(super) type Written = Vec<(Arc<str>, Vec<u8>)>;

impl Pending {
    pub(crate) fn find(&self, bucket: &str, key: &[u8]) -> Option<&PendingWrite> {
        self.0.get(bucket)?.get(key)
    }

    /// Returns whether only a commit can tell what `key` will hold.
    pub(crate) fn is_unclear(&self, bucket: &str, key: &[u8]) -> bool {
        self.find(bucket, key).is_some_and(|write| matches!(write.change, PendingChange::Unclear))
    }

    /// Returns whether something in `range` is pending.
    pub(crate) fn touches(&self, bucket: &str, range: &KeyRange) -> bool {
        self.0.get(bucket).is_some_and(|writes| range.of(writes).next().is_some())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what `transaction` writes, under `mark`.
    pub(super) fn add(&mut self, transaction: &Transaction, mark: &Arc<AtomicI64>) -> Written {
        let mut written = Vec::with_capacity(transaction.writes.len());
        for write in &transaction.writes {
            let change = PendingChange::of(&write.change, transaction.now_ms);
            let change = PendingWrite { mark: Arc::clone(mark), change };
            self.0.entry(Arc::clone(&write.bucket)).or_default().insert(write.key.clone(), change);
            written.push((Arc::clone(&write.bucket), write.key.clone()));
        }
        written
    }

    /// Takes out what `mark` wrote, where nothing later was written over it.
    pub(super) fn remove(&mut self, written: &Written, mark: &Arc<AtomicI64>) {
        for (bucket, key) in written {
            let Some(writes) = self.0.get_mut(bucket) else { continue };
            if writes.get(key).is_some_and(|write| Arc::ptr_eq(&write.mark, mark)) {
                writes.remove(key);
            }
            if writes.is_empty() {
                self.0.remove(bucket);
            }
        }
    }
}

impl PendingChange {
    fn of(change: &Change, now_ms: Option<i64>) -> Self {
        match (change, now_ms) {
            (Change::Delete, _) => Self::Delete,
            (Change::Set { value, ttl_ms: None }, _) => {
                Self::Set { value: value.as_slice().into(), expires_at_ms: None }
            }
            (Change::Set { value, ttl_ms: Some(ttl_ms) }, Some(now_ms)) => {
                let expires_at_ms = now_ms.saturating_add_unsigned(*ttl_ms);
                Self::Set { value: value.as_slice().into(), expires_at_ms: Some(expires_at_ms) }
            }
            (Change::Set { ttl_ms: Some(_), .. }, None) | (Change::Increment { .. }, _) => Self::Unclear,
        }
    }
}
