//! Which keys are asked for, and what came of it; the same for callers over HTTP and for threads.

use std::time::{Duration, Instant};

use crate::{
    program::now,
    report::{Beside, median},
};

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
    /// What is not counted, at the beginning.
    pub(super) warm_up: Duration,
    /// What is counted, after that.
    pub(super) duration: Duration,
}

/// When the counted part of a load begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    /// Starts the load's time.
    pub(super) fn open(load: &Load) -> Self {
        let begin = now() + load.warm_up;
        Self { begin, end: begin + load.duration }
    }

    /// Returns whether no more requests are to begin.
    pub(super) fn is_over(&self) -> bool {
        now() >= self.end
    }
}

/// What one caller, or all of them together, got.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Requests whose effect was confirmed, whenever.
    pub(super) confirmed: u64,
    /// Requests that were answered otherwise, whenever.
    pub(super) failed: u64,
    /// Times of the confirmed requests that ended within the window, in microseconds.
    latencies_us: Vec<f64>,
}

impl Tally {
    /// Notes a request that began at `began` and ended now.
    pub(super) fn note(&mut self, window: &Window, began: Instant, confirmed: bool) {
        let ended = now();
        if !confirmed {
            self.failed += 1;
            return;
        }
        self.confirmed += 1;
        if ended >= window.begin && ended < window.end {
            self.latencies_us.push((ended - began).as_secs_f64() * 1e6);
        }
    }

    /// Adds what another caller got.
    pub(super) fn add(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.failed += other.failed;
        self.latencies_us.extend(other.latencies_us);
    }

    /// Returns the figures of the window.
    pub(super) fn figures(mut self, load: &Load) -> Figures {
        self.latencies_us.sort_by(f64::total_cmp);
        let percentile_ms = |percent: usize| {
            let at = (self.latencies_us.len() * percent / 100).min(self.latencies_us.len().saturating_sub(1));
            self.latencies_us.get(at).map_or(f64::NAN, |us| us / 1000.0)
        };
        Figures {
            per_second: self.latencies_us.len() as f64 / load.duration.as_secs_f64(),
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            failed: self.failed as f64,
            commits_per_fsync: None,
        }
    }
}

/// The figures of one measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Confirmed requests per second.
    pub(super) per_second: f64,
    /// Time of half of the requests at most.
    pub(super) p50_ms: f64,
    /// Time of 99 in a hundred at most.
    pub(super) p99_ms: f64,
    /// Requests that were not confirmed.
    pub(super) failed: f64,
    /// Commits that shared one wait for the disk, where the program tells.
    pub(super) commits_per_fsync: Option<f64>,
}

impl Figures {
    /// Returns the median of each figure, and of the failed ones the sum.
    pub(super) fn of_rounds(rounds: &[Self]) -> Self {
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
    pub(super) fn beside(&self) -> Vec<Beside> {
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn picks_every_key_of_all_and_no_other() {
        let mut chance = Chance::of(1);
        let mut picked: BTreeSet<_> = (0..20_000).map(|_| Keys::Spread.pick(&mut chance)).collect();
        picked.insert(Keys::Hot.pick(&mut chance));
        assert_eq!(picked, Keys::all().collect());
    }

    #[test]
    fn counts_what_ended_in_the_window_and_confirms_the_rest() {
        let second = Duration::from_secs(1);
        let load = Load { clients: 1, keys: Keys::Hot, warm_up: Duration::ZERO, duration: 2 * second };
        let began = now();
        let mut tally = Tally::default();
        tally.note(&Window { begin: began, end: began + 60 * second }, began, true);
        tally.note(&Window { begin: began, end: began }, began, true);
        tally.note(&Window { begin: began, end: began + 60 * second }, began, false);
        assert_eq!((tally.confirmed, tally.failed), (2, 1));
        let figures = tally.figures(&load);
        assert_eq!((figures.per_second, figures.failed), (0.5, 1.0));
        assert!(figures.p50_ms >= 0.0 && figures.p50_ms == figures.p99_ms);
    }
}
