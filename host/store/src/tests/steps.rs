//! Steps: what a delivery or a run by the clock changes, with its effects or not at all.

use super::{
    event_fixture::{event, step},
    fixture::{Fixture, empty, set},
};
use crate::{
    Commit, CommitError, StoreError,
    events::{
        CursorStep, DeadLetter, Problem, Progress, RetryRow, RetryStep, ScheduleRun, ScheduleStep, Step,
        close_schedule, find_dead_letter, find_schedule, list_schedules, open_schedule,
    },
};

fn problem(code: &str) -> Problem {
    Problem { code: code.into(), message: "it failed".into() }
}

fn row(seq: i64, attempts: u32) -> RetryRow {
    RetryRow { seq, key: Some("k".into()), attempts, due_ms: 9, problem: Some(problem("down")) }
}

fn dead(seq: i64) -> DeadLetter {
    DeadLetter { seq, key: None, attempts: 12, at_ms: 5, problem: problem("down") }
}

/// A subscription with three events before it, of which the first failed once.
fn subscribed() -> (Fixture, Progress) {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "t.*", 0);
    fixture.publish_all(["1", "2", "3"].map(str::to_owned));
    let failed = Step { retries: vec![RetryStep::Insert(row(1, 1))], ..step(&progress, 0, 1) };
    fixture.step(failed).unwrap();
    (fixture, progress)
}

#[test]
fn a_step_is_part_of_the_commit_of_its_effects() {
    let (fixture, progress) = subscribed();
    let space = fixture.space("a");
    let step = Step {
        retries: vec![
            RetryStep::Replace { attempts: 1, row: row(1, 2) },
            RetryStep::Insert(RetryRow { key: None, problem: None, ..row(2, 0) }),
        ],
        dead_letters: vec![dead(3)],
        ..step(&progress, 1, 3)
    };
    let commit = Commit { writes: vec![set("done", "1")], events: vec![event("4")], step: Some(step), ..empty(&space) };
    assert_eq!(fixture.commit(commit).unwrap().events, [4]);
    assert_eq!(fixture.value(&space, "done", 0).unwrap(), "1");
    let after = fixture.open("a", "t.*", 0);
    assert_eq!((after.cursors[0], after.cursors[1], after.dead_letters), (3, 0, 1));
    let without_problems =
        [RetryRow { problem: None, ..row(1, 2) }, RetryRow { key: None, problem: None, ..row(2, 0) }];
    assert_eq!(after.retries, without_problems);
    let found = fixture.store.read(|connection| find_dead_letter(connection, progress.id, 3)).unwrap().unwrap();
    assert_eq!(found.letter, dead(3));
}

#[test]
fn a_row_that_goes_is_gone_and_a_dead_letter_replaces_the_one_before() {
    let (fixture, progress) = subscribed();
    let again = DeadLetter { attempts: 1, at_ms: 6, problem: problem("other"), ..dead(1) };
    for letter in [dead(1), again.clone()] {
        let step = Step { cursors: vec![], dead_letters: vec![letter], ..step(&progress, 0, 0) };
        fixture.step(step).unwrap();
    }
    let remove = vec![RetryStep::Remove { seq: 1, attempts: 1 }];
    fixture.step(Step { cursors: vec![], retries: remove, ..step(&progress, 0, 0) }).unwrap();
    let after = fixture.open("a", "t.*", 0);
    assert_eq!((after.retries.len(), after.dead_letters), (0, 1));
    let found = fixture.store.read(|connection| find_dead_letter(connection, progress.id, 1)).unwrap().unwrap();
    assert_eq!(found.letter, again);
}

#[test]
fn every_expectation_that_fails_makes_the_whole_commit_stale() {
    let (fixture, progress) = subscribed();
    let space = fixture.space("a");
    let good = || step(&progress, 1, 3);
    let cursor = |lane, from| CursorStep { lane, from, to: 3 };
    let retry = |retry| Step { retries: vec![RetryStep::Insert(row(2, 0)), retry], ..good() };
    let stale = [
        ("another epoch", Step { epoch: progress.epoch + 1, ..good() }),
        ("an earlier epoch", Step { epoch: progress.epoch - 1, ..good() }),
        ("no subscription", Step { subscription: progress.id + 1, ..good() }),
        ("a cursor behind", Step { cursors: vec![cursor(0, 0)], ..good() }),
        ("a cursor beyond", Step { cursors: vec![cursor(0, 2)], ..good() }),
        ("a cursor that is to stay", Step { cursors: vec![CursorStep { lane: 0, from: 3, to: 3 }], ..good() }),
        ("the second cursor", Step { cursors: vec![cursor(0, 1), cursor(1, 1)], ..good() }),
        ("a lane that is none", Step { cursors: vec![cursor(16, 0)], ..good() }),
        ("a row that is there", retry(RetryStep::Insert(row(1, 1)))),
        ("the same row twice", retry(RetryStep::Insert(row(2, 0)))),
        ("a row that is not there", retry(RetryStep::Replace { attempts: 1, row: row(3, 2) })),
        ("more attempts", retry(RetryStep::Replace { attempts: 0, row: row(1, 1) })),
        ("fewer attempts", retry(RetryStep::Replace { attempts: 2, row: row(1, 3) })),
        ("no row to remove", retry(RetryStep::Remove { seq: 3, attempts: 0 })),
        ("other attempts to remove", retry(RetryStep::Remove { seq: 1, attempts: 0 })),
    ];
    let before = fixture.open("a", "t.*", 0);
    for (what, step) in stale {
        let step = Step { dead_letters: vec![dead(3)], ..step };
        let commit =
            Commit { writes: vec![set("done", what)], events: vec![event("lost")], step: Some(step), ..empty(&space) };
        let outcome = fixture.commit(commit);
        assert!(matches!(outcome, Err(CommitError::Stale)), "{what}: {outcome:?}");
        assert_eq!(fixture.open("a", "t.*", 0), before, "{what}");
        assert_eq!(fixture.get(&space, "done", 0), None, "{what}");
        assert_eq!(fixture.log().len(), 3, "{what}");
    }
    fixture.step(good()).unwrap();
    assert!(matches!(fixture.step(good()), Err(CommitError::Stale)), "the same step twice");
}

#[test]
fn a_commit_that_is_refused_leaves_the_progress() {
    let (fixture, progress) = subscribed();
    let space = fixture.space("a");
    let commit = Commit {
        writes: vec![set("x", "text"), super::fixture::increment("x", 1)],
        step: Some(Step { dead_letters: vec![dead(2)], ..step(&progress, 1, 3) }),
        ..empty(&space)
    };
    assert!(matches!(fixture.commit(commit), Err(CommitError::NotAnInteger { .. })));
    let after = fixture.open("a", "t.*", 0);
    assert_eq!((after.cursors[0], after.dead_letters), (1, 0));
}

#[test]
fn two_deliveries_of_one_batch_do_not_both_count() {
    let fixture = Fixture::with_long_batches();
    let progress = fixture.open("a", "*", 0);
    fixture.publish_all(["1".to_owned()]);
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let deliver = || {
        let writes = vec![super::fixture::increment("count", 1)];
        fixture.store.commit(Commit { writes, step: Some(step(&progress, 0, 1)), ..empty(&space) }).unwrap()
    };
    let pending = [deliver(), deliver(), deliver()];
    drop(held);
    let [first, second, third] = pending.map(crate::Pending::wait);
    assert!(first.is_ok());
    assert!(matches!((second, third), (Err(CommitError::Stale), Err(CommitError::Stale))));
    assert_eq!(fixture.value(&space, "count", 0).unwrap(), "1");
}

#[test]
fn what_another_process_did_to_the_progress_makes_a_step_stale() {
    let (fixture, progress) = subscribed();
    let sql = format!("UPDATE cursors SET seq = 2 WHERE subscription = {} AND lane = 0", progress.id);
    diesel::connection::SimpleConnection::batch_execute(&mut fixture.other_connection(), &sql).unwrap();
    assert!(matches!(fixture.step(step(&progress, 1, 3)), Err(CommitError::Stale)));
    fixture.step(step(&progress, 2, 3)).unwrap();
}

#[test]
fn a_schedule_moves_with_the_effects_of_its_run() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let open = |timing: &'static str, now_ms| {
        fixture.store.write(move |connection| open_schedule(connection, "a", "tidy", timing, now_ms)).wait().unwrap()
    };
    let opened = open("every 5m", 100);
    assert_eq!(opened.done_to_ms, 100);
    assert_eq!(open("every 5m", 200), opened);
    let run = |from, to: i64, run| Commit {
        writes: vec![set("done", &to.to_string())],
        schedule_step: Some(ScheduleStep { schedule: opened.id, from, to, run }),
        ..empty(&space)
    };
    let ran = |code: Option<&str>| Some(ScheduleRun { at_ms: 401, problem: code.map(problem) });
    fixture.commit(run(100, 400, ran(Some("timeout")))).unwrap();
    assert!(matches!(fixture.commit(run(100, 700, None)), Err(CommitError::Stale)));
    assert_eq!(fixture.value(&space, "done", 0).unwrap(), "400");
    let find = || fixture.store.read(|connection| find_schedule(connection, opened.id)).unwrap().unwrap();
    assert_eq!(
        (find().done_to_ms, find().last_run_ms, find().last_problem),
        (400, Some(401), Some(problem("timeout")))
    );
    fixture.commit(run(400, 700, None)).unwrap();
    assert_eq!((find().done_to_ms, find().last_problem), (700, Some(problem("timeout"))), "no run");
    fixture.commit(run(700, 701, ran(None))).unwrap();
    assert_eq!(find().last_problem, None);
    // Another spelling counts from now on.
    assert_eq!(open("every 1m", 900).done_to_ms, 900);
    fixture.change(move |connection| close_schedule(connection, opened.id));
    assert!(matches!(fixture.commit(run(900, 901, None)), Err(CommitError::Stale)));
    assert_eq!(fixture.store.read(list_schedules).unwrap(), []);
    assert_ne!(open("every 1m", 950).id, opened.id, "a number that comes twice");
}

#[test]
fn a_failed_batch_takes_its_steps_back() {
    let fixture = Fixture::with_long_batches();
    let progress = fixture.open("a", "*", 0);
    fixture.publish_all(["1".to_owned()]);
    let held = fixture.hold_writer();
    let lost = fixture.store.apply_step(step(&progress, 0, 1)).unwrap();
    let panics = fixture.store.write(|_| -> Result<(), StoreError> { panic!("a test's panic") });
    drop(held);
    assert!(panics.wait().is_err());
    assert!(matches!(lost.wait(), Err(CommitError::Unavailable(_))));
    fixture.step(step(&progress, 0, 1)).unwrap();
}
