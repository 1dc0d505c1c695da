//! How far the rows in memory have come, and how far anybody has seen.
//!
//! A snapshot shows a batch as soon as SQLite has ended its transaction. That is a moment before the writer has brought
//! it to memory, and a long one where the writer has to wait for a processor. Who has seen the batch must not find in
//! memory what was before it. So whoever opens a snapshot says how far that sees, and while it is further than memory has
//! come, nobody begins to read there.

use std::sync::atomic::{AtomicI64, Ordering};

/// Two sequences. All of it is `SeqCst`: each side writes its own and then looks at the other's.
#[derive(Debug)]
pub(crate) struct Frontier {
    /// The newest that is on disk and in memory.
    settled: AtomicI64,
    /// The newest that a snapshot has shown which was further than memory.
    seen: AtomicI64,
}

impl Frontier {
    pub(crate) fn new(settled: i64) -> Self {
        Self { settled: AtomicI64::new(settled), seen: AtomicI64::new(settled) }
    }

    /// Notes that everything up to `sequence` is in memory. For the writer.
    pub(crate) fn advance(&self, sequence: i64) {
        self.settled.store(sequence, Ordering::SeqCst);
    }

    /// Notes that somebody is about to see everything up to `sequence`.
    pub(crate) fn note_seen(&self, sequence: i64) {
        if sequence > self.settled.load(Ordering::SeqCst) {
            self.seen.fetch_max(sequence, Ordering::SeqCst);
        }
    }

    /// Returns the sequence at which memory can be read; `None` while somebody has seen more.
    pub(crate) fn in_memory(&self) -> Option<i64> {
        let settled = self.settled.load(Ordering::SeqCst);
        (self.seen.load(Ordering::SeqCst) <= settled).then_some(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_not_read_while_somebody_has_seen_more() {
        let frontier = Frontier::new(3);
        assert_eq!(frontier.in_memory(), Some(3));
        frontier.note_seen(3);
        assert_eq!(frontier.in_memory(), Some(3));
        frontier.note_seen(5);
        assert_eq!(frontier.in_memory(), None);
        frontier.note_seen(4);
        frontier.advance(4);
        assert_eq!(frontier.in_memory(), None);
        frontier.advance(5);
        assert_eq!(frontier.in_memory(), Some(5));
    }
}
