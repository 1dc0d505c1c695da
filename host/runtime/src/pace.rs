//! How long the next call of a route, or the next handler of an event, is expected to be.
//!
//! A route whose last calls were long, or ended in a fault, starts its next ones in the slow lane, so that not even
//! the beginning of a long computation, or the clearing up after a trap, is in the way of short calls. It comes
//! back when it has behaved for a while. One slow call alone changes nothing: the machine may have been busy.

use std::time::Duration;

use crate::{meter::SHORT, tendency::Tendency};

/// What one heavy call adds: two in a row start the next one in the slow lane, or more among some light ones, of which
/// each takes one away.
const HEAVY: i8 = 50;

/// CPU time from which on a handler that nobody waits for is in the way of those who do, where more of its kind follow.
const LENGTHY: Duration = Duration::from_micros(200);
/// What a lengthy one adds. The processor may have been away from one in a few: that alone makes no difference.
const LENGTHY_WEIGHT: i8 = 4;

/// What is remembered of each place.
#[derive(Debug)]
pub(crate) struct Pace {
    heavy: Tendency,
    lengthy: Tendency,
}

impl Pace {
    pub(crate) fn new(places: usize) -> Self {
        Self { heavy: Tendency::new(places), lengthy: Tendency::new(places) }
    }

    /// Returns whether the next call of `place` is expected to be long.
    pub(crate) fn is_heavy(&self, place: u32) -> bool {
        self.heavy.is_strong(place)
    }

    /// Returns whether the next handler of `place`, which nobody waits for, is expected to compute for a while.
    pub(crate) fn is_lengthy(&self, place: u32) -> bool {
        self.lengthy.is_strong(place)
    }

    /// Takes note of a call that ended.
    pub(crate) fn note(&self, place: u32, is_fault: bool, spent: Duration) {
        self.heavy.change(place, if is_fault || spent >= SHORT { HEAVY } else { -1 });
    }

    /// Takes note of a handler that ended, and that nobody waited for.
    pub(crate) fn note_aside(&self, place: u32, is_fault: bool, spent: Duration) {
        self.note(place, is_fault, spent);
        self.lengthy.change(place, if spent >= LENGTHY { LENGTHY_WEIGHT } else { -1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Duration = Duration::from_micros(199);

    #[test]
    fn a_route_is_heavy_after_two_heavy_calls_and_comes_back() {
        let pace = Pace::new(2);
        pace.note(0, false, SHORT);
        assert!(!pace.is_heavy(0));
        pace.note(0, true, LIGHT);
        assert!(pace.is_heavy(0) && !pace.is_heavy(1));
        pace.note(0, false, SHORT - LIGHT);
        assert!(!pace.is_heavy(0));
        (0..9).for_each(|_| pace.note(0, true, SHORT));
        (0..100).for_each(|_| pace.note(0, false, LIGHT));
        assert!(pace.is_heavy(0));
        pace.note(0, false, LIGHT);
        assert!(!pace.is_heavy(0));
    }

    #[test]
    fn a_handler_is_lengthy_when_it_is_so_mostly() {
        let pace = Pace::new(2);
        for _ in 0..100 {
            pace.note_aside(0, false, LENGTHY);
            (0..9).for_each(|_| pace.note_aside(0, false, LIGHT));
        }
        assert!(!pace.is_lengthy(0));
        (0..25).for_each(|_| pace.note_aside(0, false, LENGTHY));
        assert!(pace.is_lengthy(0) && !pace.is_lengthy(1));
        assert!(!pace.is_heavy(0));
        (0..2).for_each(|_| pace.note_aside(1, false, SHORT));
        assert!(pace.is_heavy(1));
    }
}
