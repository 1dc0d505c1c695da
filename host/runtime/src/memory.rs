//! The limiter of one instance's memory and tables, within a budget that all instances share.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::byte_budget::ByteBudget;

/// Holds one instance to its bounds.
///
/// A refused growth is the guest's to handle (`memory.grow` returns -1); Rust guests then abort, and
/// [`MemoryLimiter::refused`] tells that abort from any other.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    budget: Arc<ByteBudget>,
    held_bytes: usize,
    bytes_max: usize,
    table_elements_max: usize,
    refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(budget: Arc<ByteBudget>, bytes_max: usize, table_elements_max: usize) -> Self {
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
        self.budget.give_back(self.held_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_one_instance_to_its_own_bound() {
        let mut limiter = MemoryLimiter::new(ByteBudget::new(1000), 100, 10);
        assert!(limiter.memory_growing(0, 100, None).expect("never fails"));
        assert!(!limiter.memory_growing(100, 101, None).expect("never fails"));
        assert!(limiter.refused());
    }

    #[test]
    fn instances_share_a_budget_and_give_back_what_they_held() {
        let budget = ByteBudget::new(150);
        let mut first = MemoryLimiter::new(Arc::clone(&budget), 100, 10);
        let mut second = MemoryLimiter::new(Arc::clone(&budget), 100, 10);
        assert!(first.memory_growing(0, 100, None).expect("never fails"));
        assert!(!second.memory_growing(0, 100, None).expect("never fails"));
        drop(first);
        assert!(second.memory_growing(0, 100, None).expect("never fails"));
        drop(second);
        assert_eq!(budget.used(), 0);
    }
}
