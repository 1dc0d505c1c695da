//! When an event that failed is tried again: exponential backoff with full jitter (Brooker, "Exponential Backoff And
//! Jitter", 2015).
//!
//! Randomness is a number that is handed in.

use std::time::Duration;

/// How long a failed event waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper end of the first wait; it doubles with each attempt. 1 s by default.
    pub base: Duration,
    /// Upper end of every wait. 15 minutes by default.
    pub cap: Duration,
    /// The longest wait that a handler may ask for; longer ones are cut. 24 hours by default.
    pub asked_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_mins(15), asked_max: Duration::from_hours(24) }
    }
}

impl RetryPolicy {
    /// Attempts of an event whose subscription says nothing.
    pub const ATTEMPTS: u32 = 12;
    /// Most attempts that a subscription may ask for.
    pub const ATTEMPTS_MAX: u32 = 100;

    /// Returns how long to wait after attempt number `attempt` (from 1) failed: what the handler asked for, or a part of
    /// the backoff that `random`, uniform over all its values, picks.
    pub fn delay(&self, attempt: u32, asked: Option<Duration>, random: u64) -> Duration {
        if let Some(asked) = asked {
            return asked.min(self.asked_max);
        }
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(factor).min(self.cap).as_millis();
        let picked = (bound + 1).saturating_mul(u128::from(random)) >> u64::BITS;
        Duration::from_millis(u64::try_from(picked).unwrap_or(u64::MAX))
    }
}

/// Numbers without a pattern that matters here (SplitMix64; Steele, Lea and Flood 2014). Nothing secret hangs on them.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_upper_end_doubles_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let ends: Vec<_> = (1..=12).map(|attempt| policy.delay(attempt, None, u64::MAX).as_secs()).collect();
        assert_eq!(ends, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        for attempt in [13, 33, 34, u32::MAX] {
            assert_eq!(policy.delay(attempt, None, u64::MAX), policy.cap);
        }
    }

    #[test]
    fn the_jitter_is_full_and_even() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(12, None, 0), Duration::ZERO);
        let mut random = Random(1);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            let delay = policy.delay(4, None, random.next());
            counts[usize::try_from(delay.as_millis() * 10 / 8001).expect("small")] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_handler_gets_the_delay_that_it_asked_for_within_the_bound() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, Some(90 * SECOND), 7), 90 * SECOND);
        assert_eq!(policy.delay(1, Some(Duration::ZERO), 7), Duration::ZERO);
        assert_eq!(policy.delay(1, Some(Duration::MAX), 7), policy.asked_max);
    }
}
