//! Which keys are asked for; the same for callers over HTTP and for threads.

use crate::tally::Span;

/// How many keys the spread load has.
const KEYS: u64 = 1000;

/// Which keys are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// One of 1,000 by chance.
    Spread,
    /// Always the same one.
    Hot,
}

impl Keys {
    /// Returns the name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spread => "1,000 keys",
            Self::Hot => "one key",
        }
    }

    /// Returns the next key of one caller.
    pub(super) fn pick(self, chance: &mut Chance) -> String {
        match self {
            Self::Spread => format!("key-{:03}", chance.next() % KEYS),
            Self::Hot => "hot".to_owned(),
        }
    }

    /// Returns every key that is ever asked for.
    pub(super) fn all() -> impl Iterator<Item = String> {
        (0..KEYS).map(|number| format!("key-{number:03}")).chain(["hot".to_owned()])
    }
}

/// Numbers by chance, the same ones in every run (SplitMix64).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// Begins the numbers of one caller.
    pub(super) fn of(caller: usize) -> Self {
        let mut seed = Self(caller as u64);
        Self(seed.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How hard and how long to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Callers, each with one request at a time.
    pub(super) clients: usize,
    /// What they ask for.
    pub(super) keys: Keys,
    /// For how long.
    pub(super) span: Span,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn picks_every_key_of_all_and_no_other() {
        let mut chance = Chance::of(1);
        let mut picked: BTreeSet<_> = (0..20_000).map(|_| Keys::Spread.pick(&mut chance)).collect();
        picked.insert(Keys::Hot.pick(&mut chance));
        assert_eq!(picked, Keys::all().collect());
    }
}
