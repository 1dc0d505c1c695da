//! The limiter of one instance's memory and tables, and the budget that all instances share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wasmtime::ResourceLimiter;

/// Linear memory that all instances of the host hold together.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used_bytes: AtomicUsize::new(0), bytes_max })
    }

    #[cfg(test)]
    fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }
}

/// Holds one instance to its bounds.
///
/// A refused growth is the guest's to handle (`memory.grow` returns -1); Rust guests then abort, and
/// [`MemoryLimiter::refused`] tells that abort from any other.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    budget: Arc<MemoryBudget>,
    held_bytes: usize,
    bytes_max: usize,
    table_elements_max: usize,
    refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(budget: Arc<MemoryBudget>, bytes_max: usize, table_elements_max: usize) -> Self {
        Self { budget, held_bytes: 0, bytes_max, table_elements_max, refused: false }
    }

    /// Returns whether the guest was refused memory or table elements since it was made.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Returns the linear memory that the instance holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let fits = self.held_bytes.saturating_add(more) <= self.bytes_max && maximum.is_none_or(|max| desired <= max);
        let granted = fits && self.budget.try_take(more);
        if granted {
            self.held_bytes += more;
        } else {
            self.refused = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= self.table_elements_max && maximum.is_none_or(|max| desired <= max);
        self.refused |= !granted;
        Ok(granted)
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.held_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_one_instance_to_its_own_bound() {
        let mut limiter = MemoryLimiter::new(MemoryBudget::new(1000), 100, 10);
        assert!(limiter.memory_growing(0, 100, None).expect("never fails"));
        assert!(!limiter.memory_growing(100, 101, None).expect("never fails"));
        assert!(limiter.refused());
    }

    #[test]
    fn instances_share_a_budget_and_give_back_what_they_held() {
        let budget = MemoryBudget::new(150);
        let mut first = MemoryLimiter::new(Arc::clone(&budget), 100, 10);
        let mut second = MemoryLimiter::new(Arc::clone(&budget), 100, 10);
        assert!(first.memory_growing(0, 100, None).expect("never fails"));
        assert!(!second.memory_growing(0, 100, None).expect("never fails"));
        drop(first);
        assert!(second.memory_growing(0, 100, None).expect("never fails"));
        drop(second);
        assert_eq!(budget.used_bytes(), 0);
    }
}
