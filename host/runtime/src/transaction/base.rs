//! What a run reads from: the snapshot, and over it the commits of earlier turns that are on their way.

use std::sync::Arc;

use crate::{
    keyspace::{Row, Seen, Snapshot, StateUnavailable},
    turns::{Pending, PendingChange},
};

/// What a run reads from.
pub(super) struct Base {
    pub(super) snapshot: Box<dyn Snapshot>,
    pub(super) pending: Arc<Pending>,
}

impl Base {
    /// Finds what a key holds, and how to tell later that it still does.
    pub(super) fn find(&mut self, bucket: &str, key: &[u8]) -> Result<(Option<Vec<u8>>, Seen), StateUnavailable> {
        if let Some(pending) = self.pending.find(bucket, key) {
            let mark = Arc::clone(&pending.mark);
            return Ok(match &pending.change {
                PendingChange::Set { value, expires_at_ms }
                    if expires_at_ms.is_none_or(|end| end > self.snapshot.now_ms()) =>
                {
                    (Some(value.to_vec()), Seen::Written(mark))
                }
                _ => (None, Seen::Absent { after: Some(mark) }),
            });
        }
        Ok(match self.snapshot.get(bucket, key)? {
            Some(Row { value, version }) => {
                let value_bytes = value.len();
                (Some(value), Seen::Version { version, value_bytes })
            }
            None => (None, Seen::Absent { after: None }),
        })
    }
}
