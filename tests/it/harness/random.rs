//! Numbers that look random and are the same for the same seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A generator (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014: SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// Makes a generator.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes a generator that nobody made before, and returns its seed, for the message of a test that fails.
    pub(crate) fn unseeded() -> (Self, u64) {
        let seed = RandomState::new().build_hasher().finish();
        (Self::new(seed), seed)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The bounds are tiny: nobody sees that some numbers come a little more often.
        usize::try_from(mixed % u64::try_from(bound).unwrap_or(u64::MAX)).unwrap_or_default()
    }

    /// Returns yes in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
