//! Schedules: when a handler runs by the clock.
//!
//! A schedule is a row of slots. `every` has them at equal distances, `cron` where the wall clock of a zone says. All
//! that outlives the process is [`ScheduleProgress::done_to`], the slot up to which everything is dealt with: the next
//! slot follows from it and the time of day, and a run moves it in the commit of its effects, so that a slot has one
//! effect at most. A run that fails moves it too: the next slot is the next try.
//!
//! - **Missed** slots (a minute and more ago, because the server was down) are skipped, or made up for by one run.
//! - **Overlap**: while a run is on its way, its schedule's slots are skipped.
//! - **Now**: a run that a person asks for deals with every slot up to now. `every` goes on one interval later, `cron`
//!   with its next time of day. Where nothing comes of it, it is made again, as long as the process lives.
//! - **Daylight saving** (the rules of Vixie cron): a fixed time that the clock skips runs at the end of the gap, one
//!   that comes twice runs once, the first time. Where minute or hour have a `*`, skipped minutes are skipped and
//!   repeated ones repeat.
//! - **The clock set back**: `every` goes on after one interval. `cron` has had its slot and waits for the next one, but
//!   never for longer than a day: then the clock was wrong before, and it counts from now on.
//!
//! This module does not know what time it is.

mod cron;
mod timetable;
mod timing;

use std::{sync::Arc, time::Duration};

pub(crate) use self::timetable::{ScheduleAction, Timetable};
pub use self::{
    timetable::{RunNowError, ScheduleView, TooManySchedules},
    timing::{ParseTimingError, Timing},
};
use crate::time::UnixMs;

/// How late a slot may be before it counts as missed.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);

/// What happens to slots that passed while nobody was there to run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// Nothing.
    #[default]
    Skip,
    /// One run for all of them, at once.
    Once,
}

/// Names a schedule: one plugin and one of its handlers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleName {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The handler's name.
    pub handler: Arc<str>,
}

/// A schedule as a plugin declares it.
#[derive(Debug, Clone)]
pub struct ScheduleSpec {
    /// The handler's name.
    pub handler: Arc<str>,
    /// Its slots.
    pub timing: Timing,
    /// What happens to slots that were missed.
    pub missed: Missed,
}

/// The store's number for a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleId(pub i64);

/// What of a schedule outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleProgress {
    /// Its number.
    pub id: ScheduleId,
    /// Every slot up to here is dealt with: the slot that ran last; at first, when it was declared.
    pub done_to: UnixMs,
}

/// A run of a schedule on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRun {
    /// Whose.
    pub name: ScheduleName,
    /// The slot, in the schedule's own time: what the handler is told.
    pub slot: UnixMs,
    /// To be applied in the commit of what the handler wrote.
    pub step: ScheduleStep,
}

/// A change of a schedule's progress. The store refuses it as stale, and with it the whole commit, unless `done_to` is
/// `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleStep {
    /// Whose.
    pub schedule: ScheduleId,
    /// What `done_to` must be.
    pub from: UnixMs,
    /// What it becomes.
    pub to: UnixMs,
}

/// What is to be done about a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time.
    At(UnixMs),
    /// This slot runs now.
    Now(UnixMs),
    /// Every slot up to this one is skipped.
    Skipped(UnixMs),
}

impl ScheduleSpec {
    /// Says what is to be done at `now` when everything up to `done_to` is dealt with.
    pub(crate) fn due(&self, done_to: UnixMs, now: UnixMs) -> Due {
        let Some(next) = self.timing.next(done_to) else { return Due::At(UnixMs(i64::MAX)) };
        if next > now {
            return Due::At(next);
        }
        // Of several slots that passed, one run is for all: the last.
        let slot = self.timing.last(done_to, now).unwrap_or(next);
        let is_missed = now.since(slot) >= MISSED_AFTER;
        if is_missed && self.missed == Missed::Skip { Due::Skipped(slot) } else { Due::Now(slot) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(timing: Timing, missed: Missed) -> ScheduleSpec {
        ScheduleSpec { handler: "tidy".into(), timing, missed }
    }

    const MINUTE: i64 = 60_000;

    #[track_caller]
    fn check(missed: Missed, done_to: i64, now: i64, expected: Due) {
        let every = Timing::every(Duration::from_mins(5)).expect("an interval");
        assert_eq!(spec(every, missed).due(UnixMs(done_to), UnixMs(now)), expected);
        let cron = Timing::cron("*/5 * * * *", "UTC").expect("a pattern");
        assert_eq!(spec(cron, missed).due(UnixMs(done_to), UnixMs(now)), expected);
    }

    #[test]
    fn a_slot_runs_when_its_time_comes_and_not_before() {
        for missed in [Missed::Skip, Missed::Once] {
            check(missed, 0, 5 * MINUTE - 1, Due::At(UnixMs(5 * MINUTE)));
            check(missed, 0, 5 * MINUTE, Due::Now(UnixMs(5 * MINUTE)));
            check(missed, 0, 5 * MINUTE + 59_999, Due::Now(UnixMs(5 * MINUTE)));
            check(missed, 5 * MINUTE, 5 * MINUTE, Due::At(UnixMs(10 * MINUTE)));
        }
    }

    #[test]
    fn missed_slots_are_skipped_or_made_up_for_once() {
        check(Missed::Skip, 0, 14 * MINUTE, Due::Skipped(UnixMs(10 * MINUTE)));
        check(Missed::Once, 0, 14 * MINUTE, Due::Now(UnixMs(10 * MINUTE)));
        let year = 365 * 24 * 60 * MINUTE;
        check(Missed::Skip, 0, year + MINUTE, Due::Skipped(UnixMs(year)));
        // The last slot is now: it runs, and those before it are not made up for one by one.
        check(Missed::Skip, 0, year, Due::Now(UnixMs(year)));
        check(Missed::Once, 0, year, Due::Now(UnixMs(year)));
    }
}
