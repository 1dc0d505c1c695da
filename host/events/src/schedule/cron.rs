//! A cron pattern in a time zone: croner finds the times, jiff knows the zones.

use std::{fmt, sync::Arc};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::timing::{ParseTimingError, Timing};
use crate::time::UnixMs;

/// A cron pattern in a time zone.
pub(super) struct CronPattern {
    pattern: Arc<str>,
    cron: Cron,
    zone: TimeZone,
    zone_name: Arc<str>,
}

impl CronPattern {
    pub(super) fn new(pattern: &str, zone: &str) -> Result<Self, ParseTimingError> {
        let wrong = |reason: String| {
            let pattern = pattern.chars().take(Timing::PATTERN_BYTES_MAX).collect();
            ParseTimingError::Pattern { pattern, reason }
        };
        if pattern.len() > Timing::PATTERN_BYTES_MAX {
            return Err(wrong(format!("it is longer than {} bytes", Timing::PATTERN_BYTES_MAX)));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|error| wrong(error.to_string()))?;
        let unknown = || ParseTimingError::Zone(zone.chars().take(Timing::ZONE_BYTES_MAX).collect());
        if zone.len() > Timing::ZONE_BYTES_MAX {
            return Err(unknown());
        }
        let zone_found = TimeZone::get(zone).map_err(|_unknown| unknown())?;
        let parsed = Self { pattern: pattern.into(), cron, zone: zone_found, zone_name: zone.into() };
        // What has no slot from here has none at all: leap days come within eight years.
        parsed.next(UnixMs(0)).ok_or_else(|| ParseTimingError::Never(pattern.to_owned()))?;
        Ok(parsed)
    }

    /// Returns the first slot after `moment`.
    pub(super) fn next(&self, moment: UnixMs) -> Option<UnixMs> {
        let next = self.cron.find_next_occurrence(&self.zoned(moment)?, false).ok()?;
        Some(UnixMs(next.timestamp().as_millisecond()))
    }

    /// Returns the last slot that is not after `moment`.
    pub(super) fn last(&self, moment: UnixMs) -> Option<UnixMs> {
        let last = self.cron.find_previous_occurrence(&self.zoned(moment)?, true).ok()?;
        Some(UnixMs(last.timestamp().as_millisecond()))
    }

    fn zoned(&self, moment: UnixMs) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(moment.0).ok()?.to_zoned(self.zone.clone()))
    }
}

impl fmt::Display for CronPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cron {} in {}", self.pattern, self.zone_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, zone: &str) -> CronPattern {
        CronPattern::new(text, zone).expect("a pattern")
    }

    fn moment(text: &str) -> UnixMs {
        UnixMs(text.parse::<Zoned>().expect("a time with its zone").timestamp().as_millisecond())
    }

    /// Follows a pattern from a moment and shows the slots, in the pattern's zone.
    fn slots(cron: &CronPattern, from: &str, count: usize) -> Vec<String> {
        let first = cron.next(moment(from));
        let slots = std::iter::successors(first, |slot| cron.next(*slot)).take(count);
        slots.map(|slot| cron.zoned(slot).expect("in range").strftime("%m-%d %H:%M %:z").to_string()).collect()
    }

    const SPRING: &str = "2027-03-27T12:00[Europe/Berlin]";
    const AUTUMN: &str = "2027-10-30T12:00[Europe/Berlin]";

    #[test]
    fn a_time_that_the_clock_skips_runs_at_the_end_of_the_gap() {
        let daily = pattern("30 2 * * *", "Europe/Berlin");
        assert_eq!(slots(&daily, SPRING, 2), ["03-28 03:00 +02:00", "03-29 02:30 +02:00"]);
    }

    #[test]
    fn a_time_that_comes_twice_runs_once() {
        let daily = pattern("30 2 * * *", "Europe/Berlin");
        assert_eq!(slots(&daily, AUTUMN, 2), ["10-31 02:30 +02:00", "11-01 02:30 +01:00"]);
    }

    #[test]
    fn a_time_that_no_clock_change_touches_stays_on_the_wall_clock() {
        let daily = pattern("0 3 * * *", "Europe/Berlin");
        assert_eq!(slots(&daily, SPRING, 2), ["03-28 03:00 +02:00", "03-29 03:00 +02:00"]);
        assert_eq!(slots(&daily, AUTUMN, 2), ["10-31 03:00 +01:00", "11-01 03:00 +01:00"]);
    }

    #[test]
    fn a_pattern_with_a_star_runs_through_both_of_a_repeated_hour_and_over_a_gap() {
        let half_hourly = pattern("*/30 * * * *", "Europe/Berlin");
        let from = "2027-10-31T01:45[Europe/Berlin]";
        let repeated = ["02:00 +02:00", "02:30 +02:00", "02:00 +01:00", "02:30 +01:00", "03:00 +01:00"];
        assert_eq!(slots(&half_hourly, from, 5), repeated.map(|time| format!("10-31 {time}")));
        let from = "2027-03-28T01:15[Europe/Berlin]";
        assert_eq!(slots(&half_hourly, from, 2), ["03-28 01:30 +01:00", "03-28 03:00 +02:00"]);
    }

    #[test]
    fn the_last_slot_is_the_last_of_those_that_follow_each_other() {
        for (text, zone) in [
            ("30 2 * * *", "Europe/Berlin"),
            ("*/30 * * * *", "Europe/Berlin"),
            ("15 0,2 * * *", "America/New_York"),
            ("*/20 1-2 * * *", "Australia/Lord_Howe"),
            ("0 0 * * MON", "America/Sao_Paulo"),
            ("0 12 L * *", "Asia/Kolkata"),
            ("@daily", "Pacific/Apia"),
        ] {
            let cron = pattern(text, zone);
            // Two years, so that the clocks of every zone change, in steps that meet all kinds of minutes.
            let from = moment("2026-12-31T00:00[UTC]");
            let (mut done_to, mut last) = (from, None);
            for step in 0..2 * 366 * 24 {
                let now = UnixMs(from.0 + step * 3_607_000);
                while let Some(next) = cron.next(done_to).filter(|next| *next <= now) {
                    assert!(next > done_to, "{text} in {zone} stands still");
                    (done_to, last) = (next, Some(next));
                }
                let found = cron.last(now).filter(|slot| *slot > from);
                assert_eq!(found, last, "{text} in {zone} at {}", cron.zoned(now).expect("in range"));
            }
        }
    }

    #[test]
    fn refuses_what_is_no_pattern_or_never_comes() {
        for text in ["", "* * * *", "* * * * * *", "60 * * * *", "x * * * *", "0 0 1 1 * 2030", &"*".repeat(200)] {
            let refused = CronPattern::new(text, "UTC");
            assert!(matches!(refused, Err(ParseTimingError::Pattern { .. })), "{text}");
        }
        let refused = CronPattern::new("0 0 30 2 *", "UTC");
        assert!(matches!(refused, Err(ParseTimingError::Never(_))));
        for zone in ["", "Europe/Atlantis", "../../etc/passwd", &"a".repeat(100)] {
            assert!(matches!(CronPattern::new("@daily", zone), Err(ParseTimingError::Zone(_))), "{zone}");
        }
    }

    #[test]
    fn leap_days_come() {
        let leap = pattern("0 0 29 2 *", "UTC");
        assert_eq!(slots(&leap, "2096-03-01T00:00[UTC]", 1), ["02-29 00:00 +00:00"]);
        assert_eq!(leap.next(moment("2096-03-01T00:00[UTC]")), Some(moment("2104-02-29T00:00[UTC]")));
    }
}
