//! The timetable on a clock that the test sets.

use super::*;
use crate::schedule::{Missed, Timing};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn spec(handler: &str, timing: &str) -> ScheduleSpec {
    let timing = match timing.strip_prefix("every ") {
        Some(minutes) => Timing::every(Duration::from_mins(minutes.parse().expect("minutes"))),
        None => Timing::cron(timing, "UTC"),
    };
    ScheduleSpec { handler: handler.into(), timing: timing.expect("a timing"), missed: Missed::Skip }
}

/// A timetable, the store behind it, and the clock.
struct Desk {
    timetable: Timetable,
    stored: BTreeMap<ScheduleName, UnixMs>,
    now: UnixMs,
}

impl Desk {
    fn new(now: i64) -> Self {
        let now = UnixMs(now);
        Self { timetable: Timetable::new(10, 2, now), stored: BTreeMap::new(), now }
    }

    fn declare(&mut self, specs: &[(&str, &str)]) {
        let specs = specs.iter().map(|(handler, timing)| spec(handler, timing)).collect();
        self.timetable.declare(&"p".into(), specs, self.now).expect("few");
    }

    /// Sets the clock and returns the runs that begin, with their slots in minutes.
    fn at(&mut self, now: i64) -> Vec<(String, i64)> {
        self.begin(now).iter().map(|run| (run.name.handler.to_string(), run.slot.0 / MINUTE)).collect()
    }

    fn begin(&mut self, now: i64) -> Vec<ScheduleRun> {
        self.now = UnixMs(now);
        let mut runs = Vec::new();
        while let Some(action) = self.timetable.poll(self.now) {
            match action {
                ScheduleAction::Open(name, _) => {
                    let done_to = *self.stored.entry(name.clone()).or_insert(self.now);
                    let progress = ScheduleProgress { id: ScheduleId(1), done_to };
                    self.timetable.opened(&name, Ok(progress), self.now);
                }
                ScheduleAction::Close(_) => {}
                ScheduleAction::Run(run) => runs.push(run),
            }
        }
        runs
    }

    /// Ends a run: commits its step.
    fn end(&mut self, run: &ScheduleRun) -> Applied {
        let stored = self.stored.get_mut(&run.name).expect("it was opened");
        let applied = if *stored == run.step.from { Applied::Done } else { Applied::Stale };
        if applied == Applied::Done {
            *stored = run.step.to;
        }
        self.timetable.ran(run, applied, self.now);
        applied
    }

    /// Sets the clock and ends what begins. Returns the slots in minutes.
    fn run(&mut self, now: i64) -> Vec<i64> {
        let runs = self.begin(now);
        runs.iter().for_each(|run| assert_eq!(self.end(run), Applied::Done));
        runs.iter().map(|run| run.slot.0 / MINUTE).collect()
    }
}

#[test]
fn a_schedule_runs_once_in_each_slot() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    let slots: Vec<_> = (0..=20 * 60).flat_map(|second| desk.run(second * 1000)).collect();
    assert_eq!(slots, [5, 10, 15, 20]);
}

#[test]
fn slots_are_skipped_while_a_run_is_on_its_way() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.at(0);
    let runs = desk.begin(5 * MINUTE);
    assert_eq!(runs.len(), 1);
    for minute in 6..14 {
        assert_eq!(desk.at(minute * MINUTE), []);
    }
    assert_eq!(desk.end(&runs[0]), Applied::Done);
    assert_eq!(desk.run(14 * MINUTE), [0; 0], "the slot at 10 is skipped");
    assert_eq!(desk.run(15 * MINUTE), [15]);
    let view = &desk.timetable.views(desk.now)[0];
    assert_eq!((view.skipped, view.next), (1, Some(UnixMs(20 * MINUTE))));
}

#[test]
fn a_slot_whose_run_is_killed_is_run_again() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.at(0);
    assert_eq!(desk.begin(5 * MINUTE).len(), 1);
    // The process is killed before the commit, and starts again.
    desk.timetable = Timetable::new(10, 2, desk.now);
    desk.declare(&[("tidy", "every 5")]);
    assert_eq!(desk.run(5 * MINUTE + 3000), [5]);
    // And a run that the killed process had committed is not.
    desk.timetable = Timetable::new(10, 2, desk.now);
    desk.declare(&[("tidy", "every 5")]);
    assert_eq!(desk.run(5 * MINUTE + 4000), [0; 0]);
}

#[test]
fn a_run_that_could_not_be_committed_is_run_again() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.at(0);
    let runs = desk.begin(5 * MINUTE);
    desk.timetable.ran(&runs[0], Applied::Unavailable, desk.now);
    assert_eq!(desk.run(5 * MINUTE + 500), [0; 0]);
    assert_eq!(desk.run(5 * MINUTE + 1000), [5]);
    let runs = desk.begin(10 * MINUTE);
    desk.stored.insert(runs[0].name.clone(), UnixMs(10 * MINUTE));
    desk.timetable.ran(&runs[0], Applied::Unknown, desk.now);
    assert_eq!(desk.run(10 * MINUTE + 1000), [0; 0], "it was committed after all");
}

#[test]
fn a_schedule_that_was_due_while_the_server_was_down_is_skipped_or_made_up_for() {
    for (missed, expected) in [(Missed::Skip, &[][..]), (Missed::Once, &[24 * 60][..])] {
        let mut desk = Desk::new(0);
        let daily = ScheduleSpec { missed, ..spec("daily", "0 0 * * *") };
        desk.timetable.declare(&"p".into(), vec![daily.clone()], desk.now).expect("few");
        desk.at(HOUR);
        desk.timetable = Timetable::new(10, 2, desk.now);
        desk.timetable.declare(&"p".into(), vec![daily], desk.now).expect("few");
        assert_eq!(desk.run(27 * HOUR), expected);
        assert_eq!(desk.run(28 * HOUR), [0; 0]);
        assert_eq!(desk.run(48 * HOUR), [48 * 60]);
    }
}

#[test]
fn the_clock_set_back_an_hour_repeats_no_time_of_day_and_stops_no_interval() {
    let mut desk = Desk::new(11 * HOUR);
    desk.declare(&[("noon", "0 12 * * *"), ("often", "every 5")]);
    desk.at(11 * HOUR);
    let mut slots = Vec::new();
    let mut run = |desk: &mut Desk, from: i64, to: i64| {
        for second in from * 3600..to * 3600 {
            for run in desk.begin(second * 1000) {
                assert_eq!(desk.end(&run), Applied::Done);
                slots.push(run.name.handler.to_string());
            }
        }
    };
    run(&mut desk, 11, 13);
    run(&mut desk, 12, 14);
    let count = |name: &str| slots.iter().filter(|slot| *slot == name).count();
    assert_eq!(count("noon"), 1);
    // Two hours, and two more: what was missed is the interval around the jump.
    assert!((46..=48).contains(&count("often")), "{}", count("often"));
}

#[test]
fn a_schedule_whose_timing_changes_is_opened_anew_and_one_that_goes_is_closed() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.at(0);
    let runs = desk.begin(5 * MINUTE);
    desk.declare(&[("tidy", "every 7")]);
    assert_eq!(desk.at(5 * MINUTE), []);
    assert_eq!(desk.end(&runs[0]), Applied::Done);
    assert_eq!(desk.run(12 * MINUTE), [12]);
    desk.declare(&[]);
    let closed = desk.timetable.poll(desk.now);
    assert!(matches!(closed, Some(ScheduleAction::Close(ScheduleId(1)))), "{closed:?}");
    assert!(desk.timetable.views(desk.now).is_empty());
}

#[test]
fn runs_at_once_and_schedules_are_bounded() {
    let mut desk = Desk::new(0);
    desk.declare(&[("a", "every 1"), ("b", "every 1"), ("c", "every 1")]);
    desk.at(0);
    let runs = desk.begin(MINUTE);
    assert_eq!(runs.len(), 2);
    desk.end(&runs[0]);
    assert_eq!(desk.at(MINUTE), [("c".to_owned(), 1)]);
    let many: Vec<_> = (0..11).map(|number| spec(&number.to_string(), "every 1")).collect();
    assert_eq!(desk.timetable.declare(&"q".into(), many, desk.now), Err(TooManySchedules { max: 10 }));
    assert_eq!(desk.timetable.views(desk.now).len(), 3);
}

#[test]
fn a_look_is_never_far_away() {
    let mut desk = Desk::new(0);
    assert_eq!(desk.at(0), []);
    assert_eq!(desk.timetable.waits(UnixMs(0)), LOOK_INTERVAL);
    assert_eq!(desk.timetable.waits(UnixMs(-HOUR)), LOOK_INTERVAL);
    assert_eq!(desk.timetable.waits(UnixMs(HOUR)), Duration::ZERO);
}

fn tidy() -> ScheduleName {
    ScheduleName { plugin: "p".into(), handler: "tidy".into() }
}

#[test]
fn a_run_that_is_asked_for_begins_at_once_and_counts_as_one() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5"), ("report", "*/5 * * * *")]);
    assert!(desk.begin(0).is_empty());
    let report = ScheduleName { handler: "report".into(), ..tidy() };
    for name in [&tidy(), &report] {
        assert_eq!(desk.timetable.run_now(name, UnixMs(2 * MINUTE)), Ok(()));
        assert_eq!(desk.timetable.run_now(name, UnixMs(2 * MINUTE)), Err(RunNowError::Running));
    }
    assert_eq!(desk.run(2 * MINUTE), [2, 2]);
    let slots: Vec<_> = (3..=12).flat_map(|minute| desk.at(minute * MINUTE)).collect();
    let expected = [("report".to_owned(), 5), ("tidy".to_owned(), 7)];
    assert_eq!(slots, expected);
}

#[test]
fn a_run_that_is_asked_for_repeats_no_time_of_day_when_the_clock_is_set_back() {
    let mut desk = Desk::new(11 * HOUR);
    desk.declare(&[("tidy", "0 12 * * *")]);
    desk.begin(11 * HOUR);
    assert_eq!(desk.run(12 * HOUR), [12 * 60]);
    assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(11 * HOUR)), Ok(()));
    assert_eq!(desk.run(11 * HOUR), [11 * 60]);
    assert_eq!(desk.run(12 * HOUR), [0_i64; 0]);
    assert_eq!(desk.run(36 * HOUR), [36 * 60]);
}

#[test]
fn a_run_that_is_asked_for_is_refused_where_it_cannot_begin() {
    let mut desk = Desk::new(0);
    assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(0)), Err(RunNowError::Unknown));
    desk.declare(&[("tidy", "every 5"), ("a", "every 1"), ("b", "every 1")]);
    assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(0)), Err(RunNowError::NotOpen));
    desk.begin(0);
    let runs = desk.begin(MINUTE);
    assert_eq!(runs.len(), 2);
    assert_eq!(desk.timetable.run_now(&tidy(), desk.now), Err(RunNowError::Full { max: 2 }));
    desk.end(&runs[0]);
    desk.declare(&[("tidy", "every 7")]);
    assert_eq!(desk.timetable.run_now(&tidy(), desk.now), Err(RunNowError::NotOpen));
    desk.declare(&[]);
    assert_eq!(desk.timetable.run_now(&tidy(), desk.now), Err(RunNowError::Unknown));
}

#[test]
fn a_run_that_is_asked_for_and_killed_leaves_the_slots_as_they_were() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.begin(0);
    assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(2 * MINUTE)), Ok(()));
    assert_eq!(desk.begin(2 * MINUTE).len(), 1);
    desk.timetable = Timetable::new(10, 2, desk.now);
    desk.declare(&[("tidy", "every 5")]);
    assert_eq!(desk.run(5 * MINUTE), [5]);
}

#[test]
fn a_run_that_is_asked_for_and_comes_to_nothing_is_made_again() {
    let mut desk = Desk::new(0);
    desk.declare(&[("tidy", "every 5")]);
    desk.begin(0);
    assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(2 * MINUTE)), Ok(()));
    for second in 0..3 {
        let runs = desk.begin(2 * MINUTE + second * 1000);
        assert_eq!(runs.len(), 1, "{second}");
        desk.timetable.ran(&runs[0], Applied::Unavailable, desk.now);
        assert_eq!(desk.run(2 * MINUTE + second * 1000 + 500), [0; 0]);
        assert_eq!(desk.timetable.run_now(&tidy(), desk.now), Err(RunNowError::Running));
        assert!(desk.timetable.views(desk.now)[0].is_running);
    }
    // Another version of the plugin has another timing.
    desk.declare(&[("tidy", "every 7")]);
    assert_eq!(desk.run(3 * MINUTE), [3]);
    assert!(!desk.timetable.views(desk.now)[0].is_running);
    let slots: Vec<_> = (4..=17).flat_map(|minute| desk.run(minute * MINUTE)).collect();
    assert_eq!(slots, [10, 17]);
}

#[test]
fn a_run_that_is_asked_for_and_that_nobody_knows_of_is_made_once() {
    for is_committed in [true, false] {
        let mut desk = Desk::new(0);
        desk.declare(&[("tidy", "every 5")]);
        desk.begin(0);
        assert_eq!(desk.timetable.run_now(&tidy(), UnixMs(2 * MINUTE)), Ok(()));
        let runs = desk.begin(2 * MINUTE);
        if is_committed {
            desk.stored.insert(tidy(), runs[0].step.to);
        }
        desk.timetable.ran(&runs[0], Applied::Unknown, desk.now);
        let again: &[i64] = if is_committed { &[] } else { &[3] };
        assert_eq!(desk.run(3 * MINUTE), again, "{is_committed}");
        assert_eq!(desk.run(4 * MINUTE), [0; 0]);
    }
}
