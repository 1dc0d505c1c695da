//! Whether the next call of a route is expected to be long.
//!
//! A route whose last calls were long, or ended in a fault, starts its next ones in the slow lane, so that not even
//! the beginning of a long computation, or the clearing up after a trap, is in the way of short calls. It comes
//! back when it has behaved for a while. One slow call alone changes nothing: the machine may have been busy.

use std::sync::atomic::{AtomicU8, Ordering};

/// What one heavy call adds.
const STEP: u8 = 50;
/// From here on, calls start in the slow lane: two heavy calls in a row, or more among some light ones.
const HEAVY: u8 = 100;
/// The most that is remembered: this less [`HEAVY`] light calls bring a route back.
const MOST: u8 = 200;

/// What is remembered of each route.
#[derive(Debug)]
pub(crate) struct Pace(Box<[AtomicU8]>);

impl Pace {
    pub(crate) fn new(routes: usize) -> Self {
        Self((0..routes).map(|_| AtomicU8::new(0)).collect())
    }

    /// Returns whether the next call of `route` is expected to be long.
    pub(crate) fn is_heavy(&self, route: u32) -> bool {
        self.of(route).is_some_and(|memory| memory.load(Ordering::Relaxed) >= HEAVY)
    }

    /// Takes note of a call that ended. Two at once may be counted as one: this is a hint.
    pub(crate) fn note(&self, route: u32, was_heavy: bool) {
        self.change(route, |memory| if was_heavy { memory.saturating_add(STEP) } else { memory.saturating_sub(1) });
    }

    /// Takes note of a call that was light only because its route is treated as heavy. It makes up for one light call,
    /// so that a route stays where it is as long as most of its calls are like this one.
    pub(crate) fn note_kept_light(&self, route: u32) {
        self.change(route, |memory| memory.saturating_add(1));
    }

    fn change(&self, route: u32, change: impl FnOnce(u8) -> u8) {
        let Some(memory) = self.of(route) else { return };
        let before = memory.load(Ordering::Relaxed);
        let after = change(before).min(MOST);
        if after != before {
            memory.store(after, Ordering::Relaxed);
        }
    }

    fn of(&self, route: u32) -> Option<&AtomicU8> {
        self.0.get(usize::try_from(route).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_heavy_after_two_heavy_calls_and_comes_back() {
        let pace = Pace::new(2);
        pace.note(0, true);
        assert!(!pace.is_heavy(0));
        pace.note(0, true);
        assert!(pace.is_heavy(0) && !pace.is_heavy(1));
        pace.note(0, false);
        assert!(!pace.is_heavy(0));
        (0..9).for_each(|_| pace.note(0, true));
        (0..100).for_each(|_| pace.note(0, false));
        assert!(pace.is_heavy(0));
        pace.note(0, false);
        assert!(!pace.is_heavy(0));
    }

    #[test]
    fn a_route_stays_heavy_while_most_of_its_calls_are_kept_light() {
        let pace = Pace::new(1);
        (0..2).for_each(|_| pace.note(0, true));
        for _ in 0..1_000 {
            pace.note(0, false);
            (0..2).for_each(|_| pace.note_kept_light(0));
        }
        assert!(pace.is_heavy(0));
        (0..=MOST - HEAVY).for_each(|_| pace.note(0, false));
        assert!(!pace.is_heavy(0));
    }

    #[test]
    fn a_route_that_does_not_exist_is_light() {
        let pace = Pace::new(0);
        pace.note(7, true);
        assert!(!pace.is_heavy(7));
    }
}
