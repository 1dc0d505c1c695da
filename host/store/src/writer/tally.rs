//! How much the writer has brought to the disk since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was written since the store was opened. Both only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Commits that were confirmed.
    pub commits: u64,
    /// Waits for the disk that confirmed them: batches with at least one of them.
    pub batches: u64,
}

/// The counters behind [`Written`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    commits: AtomicU64,
    batches: AtomicU64,
}

impl Tally {
    /// Adds a batch that is on disk.
    pub(super) fn add_batch(&self, commits: usize) {
        if commits > 0 {
            self.commits.fetch_add(commits as u64, Ordering::Relaxed);
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Written {
        Written { commits: self.commits.load(Ordering::Relaxed), batches: self.batches.load(Ordering::Relaxed) }
    }
}
