//! A number of bytes that many share, without a lock.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that may be held at the same time, by all holders together.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    used: AtomicUsize,
    max: usize,
    /// What this is a part of.
    whole: Option<Arc<ByteBudget>>,
}

/// What one holder has taken; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<ByteBudget>,
    held: usize,
}

/// A charge grows by this at least, so that many small growths are one.
const STEP: usize = 16 << 10;

impl ByteBudget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max, whole: None })
    }

    /// Makes a budget whose bytes are taken from `whole` too.
    pub(crate) fn part_of(whole: &Arc<Self>, max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max, whole: Some(Arc::clone(whole)) })
    }

    pub(crate) fn try_take(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_err() {
            return false;
        }
        let is_left = self.whole.as_ref().is_none_or(|whole| whole.try_take(bytes));
        if !is_left {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        is_left
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Charge {
    pub(crate) fn new(budget: Arc<ByteBudget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Makes sure that at least `bytes` are held; says no when there are not as many.
    pub(crate) fn cover(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.held);
        let more = missing.max(STEP);
        let covered = missing == 0 || self.budget.try_take(more);
        if missing > 0 && covered {
            self.held += more;
        }
        covered
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_share_a_budget_and_give_back_what_they_hold() {
        let budget = ByteBudget::new(3 * STEP);
        let mut first = Charge::new(Arc::clone(&budget));
        let mut second = Charge::new(Arc::clone(&budget));
        assert!(first.cover(1) && first.cover(STEP) && first.cover(0));
        assert_eq!(budget.used(), STEP);
        assert!(second.cover(2 * STEP));
        assert!(!first.cover(STEP + 1));
        drop(second);
        assert!(first.cover(STEP + 1));
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_part_has_its_own_bound_and_takes_from_the_whole() {
        let whole = ByteBudget::new(10);
        let (one, other) = (ByteBudget::part_of(&whole, 6), ByteBudget::part_of(&whole, 6));
        assert!(!one.try_take(7) && one.try_take(6));
        assert!(!other.try_take(5) && other.try_take(4));
        assert_eq!((one.used(), other.used(), whole.used()), (6, 4, 10));
        one.give_back(6);
        assert!(other.try_take(2));
        assert_eq!((one.used(), other.used(), whole.used()), (0, 6, 6));
    }
}
