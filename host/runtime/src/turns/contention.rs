//! Whether the next call of a route is expected to be in the way of others, so that it takes a turn at once.
//!
//! A conflict costs another run, and another wait for the disk; a turn costs that no other turn runs meanwhile. So a few
//! conflicts among many commits are let be. A route in turns stays there while most of its commits rely on one that was
//! pending: without turns those would have been conflicts.

use crate::tendency::Tendency;

/// What a conflict adds. A commit takes one away, so a route takes turns when more than one in eleven commits is refused
/// for long enough, or ten in a row.
const CONFLICT: i8 = 10;

/// What is remembered of each place.
#[derive(Debug)]
pub(crate) struct Contention(Tendency);

/// What became of a transaction that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was refused, since another one was in its way.
    Conflict,
    /// It was committed, and had read what was pending.
    CommittedAfterPending,
    /// It was committed, as it would have been without a turn.
    Committed,
}

impl Contention {
    pub(crate) fn new(places: usize) -> Self {
        Self(Tendency::new(places))
    }

    /// Returns whether the next call of `place` is to take a turn.
    pub(crate) fn is_high(&self, place: u32) -> bool {
        self.0.is_strong(place)
    }

    /// Takes note of a transaction of `place`.
    pub(crate) fn note(&self, place: u32, fate: Fate) {
        let by = match fate {
            Fate::Conflict => CONFLICT,
            Fate::CommittedAfterPending => 1,
            Fate::Committed => -1,
        };
        self.0.change(place, by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_conflicts_among_many_commits_are_let_be() {
        let contention = Contention::new(1);
        for _ in 0..1_000 {
            contention.note(0, Fate::Conflict);
            (0..20).for_each(|_| contention.note(0, Fate::Committed));
        }
        assert!(!contention.is_high(0));
        (0..20).for_each(|_| {
            contention.note(0, Fate::Conflict);
            contention.note(0, Fate::Committed);
        });
        assert!(contention.is_high(0));
    }

    #[test]
    fn a_route_stays_in_turns_while_most_of_them_build_on_another() {
        let contention = Contention::new(1);
        (0..10).for_each(|_| contention.note(0, Fate::Conflict));
        for _ in 0..1_000 {
            (0..2).for_each(|_| contention.note(0, Fate::CommittedAfterPending));
            contention.note(0, Fate::Committed);
        }
        assert!(contention.is_high(0));
        (0..99).for_each(|_| contention.note(0, Fate::Committed));
        assert!(contention.is_high(0));
        contention.note(0, Fate::Committed);
        assert!(!contention.is_high(0));
    }
}
