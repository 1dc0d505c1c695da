//! A bucket that fills again with time: governor's cell-rate algorithm on tokio's clock.

use std::{ops::Add, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Bucket(RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Moment>>);

/// Nothing is left in the bucket.
#[derive(Debug)]
pub(crate) struct Empty {
    /// When there is one again.
    pub(crate) retry_after: Duration,
}

impl Bucket {
    /// Is full at first, and fills at the rate of `quota`.
    pub(crate) fn new(quota: Quota) -> Self {
        Self(RateLimiter::direct_with_clock(quota, TokioClock))
    }

    /// Takes one, or says when there is one.
    pub(crate) fn take(&self) -> Result<(), Empty> {
        self.0.check().map_err(|early| Empty { retry_after: early.wait_time_from(TokioClock.now()) })
    }
}

#[derive(Debug, Clone, Copy)]
struct TokioClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl Clock for TokioClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(Instant::now())
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        let duration = Duration::from(nanos);
        Self(self.0.checked_add(duration).unwrap_or(self.0))
    }
}
