//! How much one plugin may log.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// A rate limit without a lock: the generic cell rate algorithm (ITU-T I.371, annex A) on one atomic.
#[derive(Debug)]
pub(crate) struct LogBudget {
    started: Instant,
    /// Theoretical arrival time of the next line, in nanoseconds since `started`.
    next_ns: AtomicU64,
    interval_ns: u64,
    burst_ns: u64,
    dropped: AtomicU64,
}

impl LogBudget {
    /// Allows `per_second` lines on average and `burst` at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let interval_ns = 1_000_000_000 / u64::from(per_second.max(1));
        let burst_ns = interval_ns * u64::from(burst.max(1));
        Self { started: Instant::now(), next_ns: AtomicU64::new(0), interval_ns, burst_ns, dropped: AtomicU64::new(0) }
    }

    /// Takes the right to write one line, or counts the line as dropped.
    pub(crate) fn try_take(&self) -> bool {
        self.take_at(self.started.elapsed())
    }

    /// Returns how many lines were dropped since the last time that somebody asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        if self.dropped.load(Ordering::Relaxed) == 0 { 0 } else { self.dropped.swap(0, Ordering::Relaxed) }
    }

    fn take_at(&self, now: Duration) -> bool {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let advance = |next_ns: u64| {
            let next_ns = next_ns.max(now_ns).saturating_add(self.interval_ns);
            (next_ns <= now_ns.saturating_add(self.burst_ns)).then_some(next_ns)
        };
        let taken = self.next_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).is_ok();
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_burst_and_then_the_rate() {
        let budget = LogBudget::new(10, 5);
        let at = |ms| Duration::from_millis(ms);
        assert_eq!((0..20).filter(|_| budget.take_at(at(0))).count(), 5);
        assert_eq!(budget.take_dropped(), 15);
        assert_eq!(budget.take_dropped(), 0);
        assert!(!budget.take_at(at(50)));
        assert!(budget.take_at(at(100)));
        assert!(!budget.take_at(at(150)));
        assert_eq!((0..20).filter(|_| budget.take_at(at(10_000))).count(), 5);
    }
}
