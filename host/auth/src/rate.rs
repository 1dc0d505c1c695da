//! How often somebody may come: a bucket for each, that fills again with time (governor's cell-rate algorithm).
//!
//! Nobody waits for anybody, and nothing is stored. What is remembered is bounded: where more are counted than there is
//! room for, those that come least often are forgotten and begin with a full bucket. A bucket that nobody took from for
//! as long as it needs to fill is forgotten too, which changes nothing. Who it is that is counted is not known here.
//! Time is tokio's.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    num::NonZero,
    sync::Arc,
    time::Duration,
};

use governor::Quota;
use moka::sync::Cache;

use crate::bucket::{Bucket, Empty};

/// Most buckets of one limiter.
const BUCKETS_MAX: u64 = 50_000;
/// A bucket that fills quicker is kept for this long, so that it is not made anew all the time.
const KEPT_FOR_MIN: Duration = Duration::from_secs(1);

/// How often somebody may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So often in one period.
    pub count: NonZero<u32>,
    /// The period.
    pub period: RatePeriod,
    /// So often at once, after a pause; `count` unless the operator says otherwise.
    pub burst: NonZero<u32>,
}

/// What a rate is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RatePeriod {
    Second,
    Minute,
    Hour,
}

impl RatePeriod {
    fn quota(self, count: NonZero<u32>) -> Quota {
        match self {
            Self::Second => Quota::per_second(count),
            Self::Minute => Quota::per_minute(count),
            Self::Hour => Quota::per_hour(count),
        }
    }
}

impl Rate {
    fn quota(self) -> Quota {
        self.period.quota(self.count).allow_burst(self.burst)
    }
}

/// Somebody comes too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too often: come again in {} s", retry_after.as_secs() + 1)]
pub struct TooOften {
    /// How long to wait.
    pub retry_after: Duration,
}

impl From<Empty> for TooOften {
    fn from(Empty { retry_after }: Empty) -> Self {
        Self { retry_after }
    }
}

/// Lets each of many come at one rate.
#[derive(Debug)]
pub struct RateLimiter {
    quota: Quota,
    hasher: RandomState,
    /// By a keyed hash of who it is, so that nobody can choose whose bucket they share.
    buckets: Cache<u64, Arc<Bucket>>,
}

impl RateLimiter {
    /// Lets everybody come at `rate`.
    pub fn new(rate: Rate) -> Self {
        Self::with_room(rate, BUCKETS_MAX)
    }

    fn with_room(rate: Rate, buckets_max: u64) -> Self {
        let quota = rate.quota();
        let kept_for = quota.burst_size_replenished_in().max(KEPT_FOR_MIN);
        let buckets = Cache::builder().max_capacity(buckets_max).time_to_idle(kept_for).build();
        Self { quota, hasher: RandomState::new(), buckets }
    }

    /// Lets `who` come, or says when to come again.
    ///
    /// # Errors
    /// When their bucket is empty.
    pub fn admit(&self, who: impl Hash) -> Result<(), TooOften> {
        let bucket = self.buckets.get_with(self.hasher.hash_one(who), || Arc::new(Bucket::new(self.quota)));
        Ok(bucket.take()?)
    }

    /// Gives the memory back of those who have not come for so long that their buckets are full.
    pub fn forget_idle(&self) {
        self.buckets.run_pending_tasks();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn rate(count: u32, period: RatePeriod, burst: u32) -> Rate {
        let number = |number| NonZero::new(number).expect("not zero");
        Rate { count: number(count), period, burst: number(burst) }
    }

    fn admitted(limiter: &RateLimiter, who: &str, tries: u32) -> usize {
        (0..tries).filter(|_| limiter.admit(who).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_has_a_bucket_that_fills_again() {
        let limiter = RateLimiter::new(rate(2, RatePeriod::Second, 3));
        assert_eq!((admitted(&limiter, "ada", 9), admitted(&limiter, "bob", 9)), (3, 3));
        let TooOften { retry_after } = limiter.admit("ada").expect_err("the bucket is empty");
        assert_eq!(retry_after, Duration::from_millis(500));
        advance(Duration::from_millis(499)).await;
        assert_eq!(admitted(&limiter, "ada", 9), 0);
        advance(Duration::from_millis(1)).await;
        assert_eq!(admitted(&limiter, "ada", 9), 1);
        advance(Duration::from_hours(1)).await;
        assert_eq!(admitted(&limiter, "ada", 9), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_holds_for_whatever_period() {
        for (period, step) in [
            (RatePeriod::Second, Duration::from_millis(100)),
            (RatePeriod::Minute, Duration::from_secs(6)),
            (RatePeriod::Hour, Duration::from_mins(6)),
        ] {
            let limiter = RateLimiter::new(rate(10, period, 1));
            let mut count = 0;
            for _ in 0..10 {
                count += admitted(&limiter, "ada", 5);
                advance(step).await;
            }
            assert_eq!(count, 10, "{period:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_strangers_takes_no_more_memory_than_there_is_room() {
        let limiter = RateLimiter::with_room(rate(1, RatePeriod::Hour, 1), 100);
        for number in 0..10_000 {
            let _forgotten = limiter.admit(number);
        }
        limiter.forget_idle();
        assert!(limiter.buckets.entry_count() <= 100, "{}", limiter.buckets.entry_count());
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_coming_in_a_flood_is_not_forgotten() {
        let limiter = RateLimiter::with_room(rate(1, RatePeriod::Hour, 1), 100);
        let mut times = 0;
        for number in 0..10_000 {
            let _forgotten = limiter.admit(number);
            times += usize::from(limiter.admit("a regular").is_ok());
        }
        assert!(times < 100, "{times}");
    }
}
