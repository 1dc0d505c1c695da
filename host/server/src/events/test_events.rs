//! Events as the store's writer hands them on, for tests.

use std::sync::Arc;

use backplane_store::events::{Event, Published};

/// Returns an event at a place, behind the place before it.
pub(crate) fn published(seq: i64) -> Published {
    let event = Event {
        seq,
        id: "id".into(),
        source: "/plugins/a".into(),
        topic: "a".into(),
        key: None,
        lane: 0,
        time_ms: 0,
        content_type: "text/plain".into(),
        payload: Arc::new([]),
        trace_parent: None,
    };
    Published { event, after: seq - 1 }
}
