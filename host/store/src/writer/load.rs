//! How much waits for the writer: what bounds the queue.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::space::Space;

/// A count of jobs and of their bytes.
#[derive(Debug, Default)]
pub(crate) struct Load {
    jobs: AtomicUsize,
    bytes: AtomicUsize,
}

/// What a [`Load`] may come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadMax {
    pub(crate) jobs: usize,
    pub(crate) bytes: usize,
}

impl LoadMax {
    /// Returns what one space may have of it.
    pub(crate) fn half(self) -> Self {
        Self { jobs: (self.jobs / 2).max(1), bytes: self.bytes / 2 }
    }
}

impl Load {
    /// Adds a job of `bytes`, unless it would be too much. Several at once may refuse each other near the bound.
    fn try_add(&self, bytes: usize, max: LoadMax) -> bool {
        let jobs = self.jobs.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = jobs < max.jobs && before.saturating_add(bytes) <= max.bytes;
        if !fits {
            self.remove(bytes);
        }
        fits
    }

    fn remove(&self, bytes: usize) {
        self.jobs.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the number of jobs.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }
}

/// A job's part of the load, which ends with it.
#[derive(Debug)]
pub(crate) struct Charge {
    total: Arc<Load>,
    space: Option<Arc<Space>>,
    bytes: usize,
}

impl Charge {
    /// Charges a job of the host.
    pub(crate) fn host(total: &Arc<Load>, max: LoadMax) -> Option<Self> {
        total.try_add(0, max).then(|| Self { total: Arc::clone(total), space: None, bytes: 0 })
    }

    /// Charges a commit of `space`, which may have half of everything.
    pub(crate) fn commit(total: &Arc<Load>, max: LoadMax, space: &Arc<Space>, bytes: usize) -> Option<Self> {
        if !space.load.try_add(bytes, max.half()) {
            return None;
        }
        if !total.try_add(bytes, max) {
            space.load.remove(bytes);
            return None;
        }
        Some(Self { total: Arc::clone(total), space: Some(Arc::clone(space)), bytes })
    }

    /// Returns the bytes of the job.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.remove(self.bytes);
        if let Some(space) = &self.space {
            space.load.remove(self.bytes);
        }
    }
}
