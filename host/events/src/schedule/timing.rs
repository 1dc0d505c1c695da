//! When the slots of a schedule are: at equal distances, or by a cron pattern in a time zone.

use std::{fmt, sync::Arc, time::Duration};

use super::cron::CronPattern;
use crate::time::UnixMs;

/// How far the clock may be behind the last slot of a cron pattern and still be believed.
const CRON_BACK_MAX: Duration = Duration::from_hours(24);

/// When the slots of a schedule are.
#[derive(Clone)]
pub struct Timing(Kind);

#[derive(Clone)]
enum Kind {
    /// At equal distances, the first one distance after the schedule was declared.
    Every(Duration),
    /// Where the clock of a zone shows what a pattern says.
    Cron(Arc<CronPattern>),
}

/// A timing that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ParseTimingError {
    /// The distance is too short or too long.
    #[error("a schedule runs every second at most, and every 366 days at least")]
    Interval,
    /// The pattern is no cron pattern.
    #[error("`{pattern}` is not a cron pattern of minute, hour, day, month and weekday: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// No day is like that.
    #[error("`{0}` never comes")]
    Never(String),
    /// The zone is not known.
    #[error("`{0}` is not a time zone: use a name like `Europe/Berlin`")]
    Zone(String),
}

impl Timing {
    /// The shortest distance.
    pub const EVERY_MIN: Duration = Duration::from_secs(1);
    /// The longest distance.
    pub const EVERY_MAX: Duration = Duration::from_hours(366 * 24);
    /// Longest cron pattern in bytes.
    pub const PATTERN_BYTES_MAX: usize = 128;
    /// Longest name of a zone in bytes.
    pub const ZONE_BYTES_MAX: usize = 64;

    /// Slots at equal distances, the first one distance after the schedule was declared.
    ///
    /// # Errors
    /// When the distance is too short or too long.
    pub fn every(distance: Duration) -> Result<Self, ParseTimingError> {
        if !(Self::EVERY_MIN..=Self::EVERY_MAX).contains(&distance) {
            return Err(ParseTimingError::Interval);
        }
        Ok(Self(Kind::Every(Duration::from_millis(u64::try_from(distance.as_millis()).unwrap_or(u64::MAX)))))
    }

    /// Slots by a cron pattern of five fields (minute, hour, day, month, weekday; as Vixie cron has them, with names,
    /// `L`, `W` and `#`) or a word like `@daily`, in a zone of the IANA database.
    ///
    /// # Errors
    /// When the pattern or the zone is not one, or no day is like that.
    pub fn cron(pattern: &str, zone: &str) -> Result<Self, ParseTimingError> {
        Ok(Self(Kind::Cron(Arc::new(CronPattern::new(pattern, zone)?))))
    }

    /// Returns the first slot after `done_to`.
    pub(crate) fn next(&self, done_to: UnixMs) -> Option<UnixMs> {
        match &self.0 {
            Kind::Every(every) => Some(done_to.after(*every)),
            Kind::Cron(cron) => cron.next(done_to),
        }
    }

    /// Returns the last slot after `done_to` that is not after `now`.
    pub(crate) fn last(&self, done_to: UnixMs, now: UnixMs) -> Option<UnixMs> {
        match &self.0 {
            Kind::Every(every) => {
                let distance = every.as_millis().max(1);
                let slots = now.since(done_to).as_millis() / distance;
                let ahead = Duration::from_millis(u64::try_from(slots * distance).unwrap_or(u64::MAX));
                (slots > 0).then(|| done_to.after(ahead))
            }
            Kind::Cron(cron) => cron.last(now).filter(|slot| *slot > done_to),
        }
    }

    /// Returns what to count from when the clock shows `now`: `done_to`, unless the clock was set back so far that
    /// waiting for it would be wrong.
    pub(crate) fn count_from(&self, done_to: UnixMs, now: UnixMs) -> UnixMs {
        let believed = match &self.0 {
            Kind::Every(_) => Duration::ZERO,
            Kind::Cron(_) => CRON_BACK_MAX,
        };
        if done_to.since(now) > believed { now } else { done_to }
    }
}

impl fmt::Display for Timing {
    /// Writes what tells two timings apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Every(every) => write!(f, "every {every:?}"),
            Kind::Cron(cron) => write!(f, "{cron}"),
        }
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_distance_is_bounded() {
        for (distance, is_ok) in
            [(0, false), (999, false), (1000, true), (366 * 24 * 3_600_000, true), (366 * 24 * 3_600_001, false)]
        {
            assert_eq!(Timing::every(Duration::from_millis(distance)).is_ok(), is_ok, "{distance}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_an_hour_silences_no_interval() {
        let every = Timing::every(Duration::from_mins(5)).expect("an interval");
        let (ran_at, now) = (UnixMs(12 * HOUR), UnixMs(11 * HOUR));
        assert_eq!(every.count_from(ran_at, now), now);
        assert_eq!(every.next(now), Some(UnixMs(11 * HOUR + 300_000)));
        assert_eq!(every.count_from(ran_at, ran_at), ran_at);
    }

    #[test]
    fn a_clock_that_is_set_back_an_hour_repeats_no_time_of_day() {
        let noon = Timing::cron("0 12 * * *", "UTC").expect("a pattern");
        let (ran_at, now) = (UnixMs(12 * HOUR), UnixMs(11 * HOUR));
        assert_eq!(noon.count_from(ran_at, now), ran_at);
        assert_eq!(noon.next(ran_at), Some(UnixMs(36 * HOUR)));
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_silence_a_pattern_for_years() {
        let noon = Timing::cron("0 12 * * *", "UTC").expect("a pattern");
        let (ran_at, now) = (UnixMs(100_000 * HOUR), UnixMs(11 * HOUR));
        assert_eq!(noon.next(noon.count_from(ran_at, now)), Some(UnixMs(12 * HOUR)));
    }
}
