//! Whether the next call of a route is expected to be long.
//!
//! A route whose last calls were long, or ended in a fault, starts its next ones in the slow lane, so that not even
//! the beginning of a long computation, or the clearing up after a trap, is in the way of short calls. It comes
//! back when it has behaved for a while. One slow call alone changes nothing: the machine may have been busy.

use crate::tendency::Tendency;

/// What one heavy call adds: two in a row start the next one in the slow lane, or more among some light ones, of which
/// each takes one away.
const HEAVY: i8 = 50;

/// What is remembered of each place.
#[derive(Debug)]
pub(crate) struct Pace(Tendency);

impl Pace {
    pub(crate) fn new(places: usize) -> Self {
        Self(Tendency::new(places))
    }

    /// Returns whether the next call of `place` is expected to be long.
    pub(crate) fn is_heavy(&self, place: u32) -> bool {
        self.0.is_strong(place)
    }

    /// Takes note of a call that ended.
    pub(crate) fn note(&self, place: u32, was_heavy: bool) {
        self.0.change(place, if was_heavy { HEAVY } else { -1 });
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
}
