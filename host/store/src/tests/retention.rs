//! What is deleted of the log, and what never is.

use super::{
    event_fixture::{KEEP, event, given, step, telling},
    fixture::{Fixture, empty},
};
use crate::{
    Commit, CommitError,
    events::{
        DETACHED_KEPT_MS, DeadLetter, HeldBy, NewEvent, Problem, Progress, ReplayFrom, RetentionLimits, RetryRow,
        RetryStep, Step, close_subscription, drop_dead_letters, event_head, events_kept_from, find_subscription,
        replay_subscription,
    },
};

const NOTHING: RetentionLimits = RetentionLimits { age_ms: 0, bytes: 0 };

/// Publishes one event at each of these times.
fn publish_at(fixture: &Fixture, times: impl IntoIterator<Item = i64>) {
    let space = fixture.space("a");
    for now_ms in times {
        fixture.commit(Commit { events: vec![event("e")], now_ms, ..empty(&space) }).unwrap();
    }
}

fn places(fixture: &Fixture) -> Vec<i64> {
    fixture.log().iter().map(|event| event.seq).collect()
}

fn kept_from(fixture: &Fixture) -> i64 {
    fixture.store.read(events_kept_from).unwrap()
}

fn dead(seq: i64) -> DeadLetter {
    let problem = Problem { code: "down".into(), message: "it failed".into() };
    DeadLetter { seq, key: None, attempts: 1, at_ms: 0, problem }
}

#[test]
fn the_oldest_go_by_age_and_their_places_never_come_again() {
    let fixture = Fixture::new();
    publish_at(&fixture, [10, 20, 30]);
    assert_eq!(fixture.retain(KEEP, 1_000_000).events, 0);
    assert_eq!(kept_from(&fixture), 0);
    let by_age = RetentionLimits { age_ms: 100, ..KEEP };
    assert_eq!(fixture.retain(by_age, 120).events, 1);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![2, 3], 2));
    assert_eq!(fixture.retain(by_age, 1_000).events, 2);
    assert_eq!((kept_from(&fixture), fixture.store.read(event_head).unwrap()), (4, 3));
    assert_eq!(fixture.open("a", "*", 0).cursors, [3; 16]);
    publish_at(&fixture, [40]);
    assert_eq!(places(&fixture), [4]);
}

#[test]
fn events_from_the_future_go_with_what_came_after_them() {
    let fixture = Fixture::new();
    let by_age = RetentionLimits { age_ms: 100, ..KEEP };
    // The clock was ahead, and was set back.
    publish_at(&fixture, [10, 5_000, 5_001, 20, 30, 200]);
    assert_eq!(fixture.retain(by_age, 110).events, 0);
    assert_eq!(fixture.retain(by_age, 150).events, 5);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![6], 6));
    publish_at(&fixture, [9_000, 310]);
    assert_eq!(fixture.retain(by_age, 410).events, 1);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![7, 8], 7));
    assert_eq!(fixture.retain(by_age, 411).events, 2);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![], 9));
    publish_at(&fixture, [9_001, 420]);
    assert_eq!(places(&fixture), [9, 10]);
    // By size they go as all do, and a subscription keeps them as it keeps all.
    fixture.open("slow", "*", 0);
    publish_at(&fixture, [9_002, 430]);
    let collected = fixture.retain(RetentionLimits { age_ms: 100, bytes: 0 }, 1_000);
    assert_eq!((collected.events, collected.held_by.map(|held| held.cursor)), (2, Some(10)));
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![11, 12], 11));
}

#[test]
fn a_long_row_of_events_from_the_future_goes_with_the_first_one_behind_it() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let ahead = (0..1_100).map(|id| event(&id.to_string())).collect();
    fixture.commit(Commit { events: ahead, now_ms: 5_000, ..empty(&space) }).unwrap();
    publish_at(&fixture, [10, 20, 30]);
    let by_age = RetentionLimits { age_ms: 100, ..KEEP };
    assert_eq!(fixture.retain(by_age, 110).events, 0);
    assert_eq!(fixture.retain(by_age, 111).events, 1_101);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![1_102, 1_103], 1_102));
    // Nothing behind them says how old they are, or what does is young.
    let ahead = (0..600).map(|id| event(&id.to_string())).collect();
    fixture.commit(Commit { events: ahead, now_ms: 5_000, ..empty(&space) }).unwrap();
    assert_eq!(fixture.retain(by_age, 200).events, 2);
    publish_at(&fixture, [190]);
    assert_eq!(fixture.retain(by_age, 200).events, 0);
    assert_eq!(fixture.retain(by_age, 291).events, 601);
}

#[test]
fn the_oldest_go_by_size_and_give_their_room_back() {
    let large = |publisher: &str| NewEvent {
        payload: vec![0; 1000].into(),
        is_given: false,
        key: Some("a key".into()),
        trace_parent: Some("a trace".into()),
        ..given(publisher, "/s", "id")
    };
    let (fixture, _) = telling(|options| options.event_log_bytes_max = 12_000);
    let host = fixture.store.host_space();
    let publish = |publisher| fixture.publish(host, vec![large(publisher)]);
    (0..10).for_each(|number| drop(publish(["ann", "bob"][number % 2]).unwrap()));
    assert!(matches!(publish("ann"), Err(CommitError::EventLogFull { .. })));
    let one = u64::try_from(large("ann").kept_bytes()).unwrap();
    let collected = fixture.retain(RetentionLimits { bytes: one * 4, ..KEEP }, 0);
    assert_eq!((collected.events, collected.bytes), (6, one * 6));
    assert_eq!(places(&fixture), [7, 8, 9, 10]);
    // What is deleted counts exactly what it counted when it came.
    assert_eq!(fixture.retain(NOTHING, 1).bytes, one * 4);
    (0..10).for_each(|_| drop(publish("ann").unwrap()));
    fixture.retain(NOTHING, 1);
    let rows = fixture.store.read(|connection| {
        use diesel::prelude::*;
        Ok::<i64, crate::StoreError>(crate::schema::event_usage::table.count().get_result(connection)?)
    });
    assert_eq!(rows.unwrap(), 0, "rows of publishers who have nothing there");
}

#[test]
fn nothing_is_deleted_before_a_live_cursor_and_who_holds_it_is_said() {
    let fixture = Fixture::new();
    let progress = fixture.open("slow", "t.*", 0);
    let quick = fixture.open("quick", "*", 0);
    publish_at(&fixture, 1..=5);
    let all_lanes = |progress: &Progress, from, to| Step {
        cursors: (0..16).map(|lane| crate::events::CursorStep { lane, from, to }).collect(),
        ..step(progress, from, to)
    };
    fixture.step(all_lanes(&quick, 0, 5)).unwrap();
    let held =
        |cursor| Some(HeldBy { subscription: progress.id, plugin: "slow".into(), pattern: "t.*".into(), cursor });
    let collected = fixture.retain(NOTHING, 1_000);
    assert_eq!((collected.events, collected.held_by), (0, held(0)));
    // One lane that stands holds everything.
    fixture.step(step(&progress, 0, 5)).unwrap();
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 0);
    let others = Step { cursors: all_lanes(&progress, 0, 3).cursors.split_off(1), ..step(&progress, 0, 0) };
    fixture.step(others).unwrap();
    let collected = fixture.retain(NOTHING, 1_000);
    assert_eq!((collected.events, collected.held_by, places(&fixture)), (3, held(3), vec![4, 5]));
    // A replay holds back what is there.
    let id = progress.id;
    fixture.change(move |connection| replay_subscription(connection, id, ReplayFrom::After(0)));
    let collected = fixture.retain(NOTHING, 1_000);
    assert_eq!((collected.events, collected.held_by), (0, held(0)));
}

#[test]
fn what_a_retry_or_a_dead_letter_names_stays_until_they_are_gone() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "*", 0);
    publish_at(&fixture, 1..=5);
    let row = RetryRow { seq: 2, key: None, attempts: 1, due_ms: 0, problem: None };
    let cursors = (0..16).map(|lane| crate::events::CursorStep { lane, from: 0, to: 5 }).collect();
    let retries = vec![RetryStep::Insert(row)];
    fixture.step(Step { cursors, retries, dead_letters: vec![dead(4)], ..step(&progress, 0, 5) }).unwrap();
    let collected = fixture.retain(NOTHING, 1_000);
    assert_eq!((collected.events, collected.held_by, places(&fixture)), (3, None, vec![2, 4]));
    assert_eq!(kept_from(&fixture), 6);
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 0);
    let id = progress.id;
    fixture.change(move |connection| drop_dead_letters(connection, id, None));
    let retries = vec![RetryStep::Remove { seq: 2, attempts: 1 }];
    fixture.step(Step { cursors: vec![], retries, ..step(&progress, 0, 0) }).unwrap();
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 2);
    assert_eq!((places(&fixture), kept_from(&fixture)), (vec![], 6));
}

#[test]
fn one_that_nobody_declares_holds_the_log_for_a_week_and_goes_then() {
    let fixture = Fixture::new();
    let progress = fixture.open("gone", "*", 0);
    let id = progress.id;
    publish_at(&fixture, 1..=3);
    fixture.step(Step { dead_letters: vec![dead(1)], ..step(&progress, 0, 1) }).unwrap();
    fixture.change(move |connection| close_subscription(connection, id, 50));
    let collected = fixture.retain(NOTHING, 50 + DETACHED_KEPT_MS - 1);
    assert_eq!((collected.events, collected.held_by.is_some()), (0, true));
    let collected = fixture.retain(NOTHING, 50 + DETACHED_KEPT_MS);
    assert_eq!((collected.events, collected.held_by, places(&fixture)), (3, None, vec![]));
    assert!(fixture.store.read(|connection| find_subscription(connection, id, 1)).unwrap().is_none());
    let anew = fixture.open("gone", "*", 0);
    assert_ne!(anew.id, id, "a number that comes twice");
    assert_eq!((anew.epoch, anew.dead_letters), (0, 0));
}

#[test]
fn a_step_has_a_bound_in_rows_and_in_bytes() {
    let fixture = Fixture::new();
    fixture.publish_all((0..1_100).map(|id| id.to_string()));
    let step = || {
        let step = fixture.store.collect_events(NOTHING, 1_000).wait().unwrap();
        (step.events, step.more)
    };
    assert_eq!([step(), step(), step()], [(500, true), (500, true), (100, false)]);
    let large = NewEvent { payload: vec![0; 1 << 20].into(), ..event("large") };
    (0..20).for_each(|_| drop(fixture.publish(&fixture.space("a"), vec![large.clone()]).unwrap()));
    assert_eq!([step(), step(), step()], [(8, true), (8, true), (4, false)]);
}

#[test]
fn a_pass_comes_by_what_many_dead_letters_name() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "*", 0);
    let last = *fixture.publish_all((0..1_200).map(|id| id.to_string())).last().unwrap();
    let cursors = (0..16).map(|lane| crate::events::CursorStep { lane, from: 0, to: last }).collect();
    let dead_letters = (1..=900).map(dead).collect();
    fixture.step(Step { cursors, dead_letters, ..step(&progress, 0, last) }).unwrap();
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 300);
    assert_eq!(places(&fixture).len(), 900);
    let id = progress.id;
    for _ in 0..2 {
        fixture.change(move |connection| drop_dead_letters(connection, id, None));
    }
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 900);
}

#[test]
fn what_a_failed_batch_deleted_is_there_and_counts() {
    let fixture = Fixture::with_long_batches();
    fixture.publish_all((0..700).map(|id| id.to_string()));
    let held = fixture.hold_writer();
    let lost = fixture.store.collect_events(NOTHING, 1_000);
    let panics = fixture.store.write(|_| -> Result<(), crate::StoreError> { panic!("a test's panic") });
    drop(held);
    assert!(panics.wait().is_err() && lost.wait().is_err());
    assert_eq!(fixture.log().len(), 700);
    assert_eq!(fixture.retain(NOTHING, 1_000).events, 700);
}
