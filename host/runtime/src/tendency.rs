//! How the last calls of each place were, as one small number: a hint for the next one.
//!
//! A place is a route, a subscription, a schedule or a gRPC method of one generation.

use std::sync::atomic::{AtomicU8, Ordering};

/// From here on it is strong.
const STRONG: u8 = 100;
/// The most that is remembered.
const MOST: u8 = 200;

/// What is remembered of each place, nothing at first.
#[derive(Debug)]
pub(crate) struct Tendency(Box<[AtomicU8]>);

impl Tendency {
    pub(crate) fn new(places: usize) -> Self {
        Self((0..places).map(|_| AtomicU8::new(0)).collect())
    }

    /// Returns whether the next call of `place` is expected to be like the last ones; no for a place that does not exist.
    pub(crate) fn is_strong(&self, place: u32) -> bool {
        self.of(place).is_some_and(|memory| memory.load(Ordering::Relaxed) >= STRONG)
    }

    /// Remembers more or less of `place`, between nothing and [`MOST`]. Two changes at once may be counted as one.
    pub(crate) fn change(&self, place: u32, by: i8) {
        let Some(memory) = self.of(place) else { return };
        let before = memory.load(Ordering::Relaxed);
        let after = before.saturating_add_signed(by).min(MOST);
        if after != before {
            memory.store(after, Ordering::Relaxed);
        }
    }

    fn of(&self, place: u32) -> Option<&AtomicU8> {
        self.0.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_between_nothing_and_the_most_and_is_strong_above_half() {
        let tendency = Tendency::new(2);
        tendency.change(0, -1);
        tendency.change(0, 99);
        assert!(!tendency.is_strong(0));
        tendency.change(0, 1);
        assert!(tendency.is_strong(0) && !tendency.is_strong(1));
        (0..9).for_each(|_| tendency.change(0, 99));
        (0..MOST - STRONG).for_each(|_| tendency.change(0, -1));
        assert!(tendency.is_strong(0));
        tendency.change(0, -1);
        assert!(!tendency.is_strong(0));
    }

    #[test]
    fn a_place_that_does_not_exist_has_none() {
        let tendency = Tendency::new(0);
        tendency.change(7, 127);
        assert!(!tendency.is_strong(7));
    }
}
