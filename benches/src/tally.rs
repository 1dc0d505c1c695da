//! What callers got within a time, and the figures of that; the same for callers over any protocol and for threads.

use std::time::{Duration, Instant};

use crate::{
    program::now,
    report::{Beside, median},
};

/// How long to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// What is not counted, at the beginning.
    pub(crate) warm_up: Duration,
    /// What is counted, after that.
    pub(crate) duration: Duration,
}

/// When the counted part of a span begins and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    /// Starts the span's time.
    pub(crate) fn open(span: &Span) -> Self {
        let begin = now() + span.warm_up;
        Self { begin, end: begin + span.duration }
    }

    /// Returns which part of the time from `began` to `ended` is within.
    fn share(&self, began: Instant, ended: Instant) -> f64 {
        let whole = (ended - began).max(Duration::from_nanos(1));
        let inside = ended.min(self.end).saturating_duration_since(began.max(self.begin));
        inside.as_secs_f64() / whole.as_secs_f64()
    }

    /// Returns whether no more requests are to begin.
    pub(crate) fn is_over(&self) -> bool {
        now() >= self.end
    }
}

/// What one caller, or all of them together, got.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests whose effect was confirmed, whenever.
    pub(crate) confirmed: u64,
    /// Requests that were answered otherwise, whenever.
    pub(crate) failed: u64,
    /// Confirmed requests within the window; of one that is partly outside, the part that is inside.
    within: f64,
    /// Times of the confirmed requests that were at least partly within the window, in microseconds.
    latencies_us: Vec<f64>,
}

impl Tally {
    /// Notes a request that began at `began` and ended now.
    pub(crate) fn note(&mut self, window: &Window, began: Instant, confirmed: bool) {
        let ended = now();
        if !confirmed {
            self.failed += 1;
            return;
        }
        self.confirmed += 1;
        let share = window.share(began, ended);
        if share > 0.0 {
            self.within += share;
            self.latencies_us.push((ended - began).as_secs_f64() * 1e6);
        }
    }

    /// Adds what another caller got.
    pub(crate) fn add(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.failed += other.failed;
        self.within += other.within;
        self.latencies_us.extend(other.latencies_us);
    }

    /// Returns the figures of the window.
    pub(crate) fn figures(mut self, span: &Span) -> Figures {
        self.latencies_us.sort_by(f64::total_cmp);
        let percentile_ms = |percent: usize| {
            let at = (self.latencies_us.len() * percent / 100).min(self.latencies_us.len().saturating_sub(1));
            self.latencies_us.get(at).map_or(f64::NAN, |us| us / 1000.0)
        };
        Figures {
            per_second: self.within / span.duration.as_secs_f64(),
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            failed: self.failed as f64,
            commits_per_fsync: None,
        }
    }
}

/// The figures of one measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Confirmed requests per second.
    pub(crate) per_second: f64,
    /// Time of half of the requests at most.
    pub(crate) p50_ms: f64,
    /// Time of 99 in a hundred at most.
    pub(crate) p99_ms: f64,
    /// Requests that were not confirmed.
    pub(crate) failed: f64,
    /// Commits that shared one wait for the disk, where the program tells.
    pub(crate) commits_per_fsync: Option<f64>,
}

impl Figures {
    /// Returns the median of each figure, and of the failed ones the sum.
    pub(crate) fn of_rounds(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let per_fsync: Option<Vec<f64>> = rounds.iter().map(|round| round.commits_per_fsync).collect();
        Self {
            per_second: of(|round| round.per_second),
            p50_ms: of(|round| round.p50_ms),
            p99_ms: of(|round| round.p99_ms),
            failed: rounds.iter().map(|round| round.failed).sum(),
            commits_per_fsync: per_fsync.map(median),
        }
    }

    /// Returns what stands beside the rate.
    pub(crate) fn beside(&self) -> Vec<Beside> {
        vec![
            Beside::new("p50", self.p50_ms, "ms"),
            Beside::new("p99", self.p99_ms, "ms"),
            Beside::new("commits/fsync", self.commits_per_fsync, ""),
            Beside::new("failed", self.failed, ""),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_long_request_what_is_within_the_window() {
        let (second, begin) = (Duration::from_secs(1), now());
        let window = Window { begin, end: begin + 2 * second };
        for (began, ended, share) in [(0, 1, 1.0), (1, 3, 0.5), (0, 4, 0.5), (3, 4, 0.0), (0, 8, 0.25)] {
            assert_eq!(window.share(begin + began * second, begin + ended * second), share, "{began} to {ended}");
        }
    }

    #[test]
    fn counts_what_was_in_the_window_and_confirms_the_rest() {
        let second = Duration::from_secs(1);
        let span = Span { warm_up: Duration::ZERO, duration: 2 * second };
        let began = now();
        let mut tally = Tally::default();
        tally.note(&Window { begin: began, end: began + 60 * second }, began, true);
        tally.note(&Window { begin: began, end: began }, began, true);
        tally.note(&Window { begin: began, end: began + 60 * second }, began, false);
        assert_eq!((tally.confirmed, tally.failed), (2, 1));
        let figures = tally.figures(&span);
        assert_eq!((figures.per_second, figures.failed), (0.5, 1.0));
        assert!(figures.p50_ms >= 0.0 && figures.p50_ms == figures.p99_ms);
    }
}
