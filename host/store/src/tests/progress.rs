//! Subscriptions over their lives, and what a person does with them.

use super::{
    event_fixture::{event, step},
    fixture::{Fixture, empty},
};
use crate::{
    Commit, CommitError, StoreError,
    events::{
        DETACHED_KEPT_MS, DeadLetter, DeadLetterQuery, Lag, NewEvent, Problem, Progress, ReplayFrom, RetryRow,
        RetryStep, Step, SubscriptionQuery, SubscriptionStatus, close_subscription, drop_dead_letters,
        find_subscription, find_subscription_by_name, list_dead_letters, list_open_subscriptions, list_subscriptions,
        pause_subscription, replay_subscription, resume_subscription, retry_dead_letters,
    },
    identity::audit::{self, AuditQuery, NewEntry},
};

fn row(seq: i64) -> RetryRow {
    RetryRow { seq, key: None, attempts: 1, due_ms: 9, problem: None }
}

fn letter(seq: i64) -> DeadLetter {
    let problem = Problem { code: "down".into(), message: "it failed".into() };
    DeadLetter { seq, key: Some(format!("k{seq}").into()), attempts: 12, at_ms: 5, problem }
}

fn ids(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|id| id.to_string())
}

/// Takes `to` events: of those in `failed` a row comes, of those in `dead` a letter.
fn take(progress: &Progress, to: i64, failed: &[i64], dead: &[i64]) -> Step {
    Step {
        retries: failed.iter().map(|seq| RetryStep::Insert(row(*seq))).collect(),
        dead_letters: dead.iter().map(|seq| letter(*seq)).collect(),
        ..step(progress, 0, to)
    }
}

fn find(fixture: &Fixture, progress: &Progress) -> SubscriptionStatus {
    fixture.store.read(|connection| find_subscription(connection, progress.id, 1000)).unwrap().unwrap()
}

#[test]
fn a_new_one_begins_at_the_end_also_of_what_its_batch_published() {
    let fixture = Fixture::with_long_batches();
    fixture.publish_all(ids(2));
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let third = fixture.store.commit(Commit { events: vec![event("3")], ..empty(&space) }).unwrap();
    let opened = fixture.store.write(|connection| crate::events::open_subscription(connection, "a", "*", 0));
    drop(held);
    assert_eq!(third.wait().unwrap().events, [3]);
    // Lanes take turns: the host's may come first.
    let cursors = opened.wait().unwrap().cursors;
    assert!(cursors == [2; 16] || cursors == [3; 16], "{cursors:?}");
    assert_eq!(fixture.open("b", "*", 0).cursors, [3; 16]);
}

#[test]
fn one_that_comes_back_goes_on_and_after_a_week_begins_anew() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "t.*", 0);
    fixture.publish_all(ids(5));
    fixture.step(take(&progress, 3, &[1], &[2])).unwrap();
    let id = progress.id;
    assert!(fixture.change(move |connection| pause_subscription(connection, id, "trapping")));
    for now_ms in [1_000, 2_000] {
        fixture.change(move |connection| close_subscription(connection, id, now_ms));
    }
    assert_eq!(find(&fixture, &progress).closed_at_ms, Some(1_000));
    assert_eq!(fixture.store.read(list_open_subscriptions).unwrap(), []);
    let back = fixture.open("a", "t.*", 1_000 + DETACHED_KEPT_MS - 1);
    assert_eq!((back.id, back.epoch, back.cursors[0], back.retries.len()), (id, 0, 3, 1));
    assert_eq!(back.paused.as_deref(), Some("trapping"));
    assert_eq!(find(&fixture, &progress).closed_at_ms, None);
    assert_eq!(fixture.store.read(list_open_subscriptions).unwrap(), [(id, "a".into(), "t.*".into())]);

    fixture.change(move |connection| close_subscription(connection, id, 1_000));
    let anew = fixture.open("a", "t.*", 1_000 + DETACHED_KEPT_MS);
    let expected = Progress { id, epoch: 1, cursors: [5; 16], retries: vec![], dead_letters: 1, paused: None };
    assert_eq!(anew, expected);
    assert!(matches!(fixture.step(step(&progress, 5, 6)), Err(CommitError::Stale)));
}

#[test]
fn a_pause_keeps_its_first_reason_until_it_is_lifted() {
    let fixture = Fixture::new();
    let id = fixture.open("a", "*", 0).id;
    let pause = |reason: &'static str| fixture.change(move |connection| pause_subscription(connection, id, reason));
    let resume = || fixture.change(move |connection| resume_subscription(connection, id));
    assert!(!resume());
    assert!(pause("asked"));
    assert!(!pause("trapping"));
    assert_eq!(fixture.open("a", "*", 0).paused.as_deref(), Some("asked"));
    assert!(resume());
    assert_eq!(fixture.open("a", "*", 0).paused, None);
    assert!(!fixture.change(move |connection| pause_subscription(connection, id + 1, "asked")));
}

#[test]
fn a_replay_moves_cursors_back_and_never_forward() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "*", 0);
    fixture.publish_all(ids(9));
    fixture.step(take(&progress, 8, &[2, 6], &[3, 7])).unwrap();
    let id = progress.id;
    let replayed = fixture.change(move |connection| replay_subscription(connection, id, ReplayFrom::After(4)));
    assert_eq!(replayed, Some(4));
    let after = fixture.open("a", "*", 0);
    assert_eq!((after.epoch, after.cursors[0], after.cursors[1]), (1, 4, 0));
    // What the log delivers again waits nowhere else.
    assert_eq!(after.retries, [row(2)]);
    let letters = DeadLetterQuery { subscription: Some(id), after: None, limit: 9 };
    let letters = fixture.store.read(|connection| list_dead_letters(connection, letters)).unwrap();
    assert_eq!(letters.iter().map(|dead| dead.letter.seq).collect::<Vec<_>>(), [3]);
    assert!(matches!(fixture.step(step(&progress, 4, 5)), Err(CommitError::Stale)), "of the epoch before");
    fixture.step(step(&after, 4, 5)).unwrap();
    let nobody = fixture.change(move |connection| replay_subscription(connection, id + 1, ReplayFrom::After(0)));
    assert_eq!(nobody, None);
    let before_all = fixture.change(move |connection| replay_subscription(connection, id, ReplayFrom::After(-5)));
    assert_eq!((before_all, fixture.open("a", "*", 0).cursors), (Some(0), [0; 16]));
}

#[test]
fn a_replay_from_a_time_begins_with_the_first_event_stored_then_or_later() {
    let fixture = Fixture::new();
    let id = fixture.open("a", "*", 0).id;
    let space = fixture.space("a");
    for now_ms in [10, 10, 20, 30, 30, 40] {
        let events = vec![event(&now_ms.to_string())];
        fixture.commit(Commit { events, now_ms, ..empty(&space) }).unwrap();
    }
    for (time_ms, after) in [(0, 0), (10, 0), (11, 2), (20, 2), (21, 3), (30, 3), (40, 5), (41, 6)] {
        let from = ReplayFrom::Time { at_ms: time_ms, late_ms: 0 };
        let replay = move |connection: &mut _| replay_subscription(connection, id, from);
        assert_eq!(fixture.change(replay), Some(after), "{time_ms}");
    }
}

#[test]
fn a_replay_from_a_time_leaves_out_nothing_that_came_later_than_its_time_says() {
    const LATE_MS: i64 = 45;
    let fixture = Fixture::new();
    let id = fixture.open("a", "*", 0).id;
    let space = fixture.space("a");
    // When each came, and how long it had been on its way then.
    let events = [(10, 0), (60, 0), (61, 0), (65, 45), (70, 0), (100, 30), (101, 1), (140, 45)];
    for (came_ms, late_ms) in events {
        let now_ms = came_ms - late_ms;
        fixture.commit(Commit { events: vec![event("e")], now_ms, ..empty(&space) }).unwrap();
    }
    for at_ms in 0..150 {
        let from = ReplayFrom::Time { at_ms, late_ms: LATE_MS };
        let after = fixture.change(move |connection| replay_subscription(connection, id, from)).unwrap();
        let (left_out, delivered) = events.split_at(usize::try_from(after).unwrap());
        assert!(left_out.iter().all(|(came_ms, _)| *came_ms < at_ms), "{at_ms}: {left_out:?} are left out");
        assert!(delivered.iter().all(|(came_ms, _)| *came_ms >= at_ms - LATE_MS), "{at_ms}: {delivered:?} is too much");
    }
}

#[test]
fn the_lag_is_what_waits_of_its_topics_within_a_bound() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "t.*", 0);
    let space = fixture.space("a");
    for (now_ms, topic, lane) in [(1, "t.a", 0), (2, "u.a", 0), (3, "t.b", 1), (4, "t.c", 0), (5, "t.d", 1)] {
        let events = vec![NewEvent { topic: topic.into(), lane, ..event(topic) }];
        fixture.commit(Commit { events, now_ms, ..empty(&space) }).unwrap();
    }
    let lag = |events, is_more, oldest_ms| Lag { events, is_more, oldest_ms };
    assert_eq!(find(&fixture, &progress).lag, lag(4, false, Some(1)));
    fixture.step(step(&progress, 0, 2)).unwrap();
    let status = find(&fixture, &progress);
    assert_eq!((status.lag, status.cursors[0]), (lag(3, false, Some(3)), 2));
    fixture.open("b", "t.c", 0);
    let list = |after, limit, lag_events_max| {
        let query = SubscriptionQuery { after, limit, lag_events_max };
        let all = fixture.store.read(|connection| list_subscriptions(connection, query)).unwrap();
        all.into_iter().map(|status| (status.plugin, status.lag)).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 10, 3), [("a".into(), lag(1, true, Some(3))), ("b".into(), lag(0, false, None))]);
    assert_eq!(list(0, 1, 9).len(), 1);
    assert_eq!(list(progress.id, 9, 9)[0].0, "b");
    let named = fixture.store.read(|connection| find_subscription_by_name(connection, "a", "t.*")).unwrap();
    assert_eq!(named, Some(progress.id));
}

#[test]
fn dead_letters_are_listed_in_pages_retried_and_dropped() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.open("a", "*", 0), fixture.open("b", "*", 0));
    fixture.publish_all(ids(9));
    fixture.step(take(&first, 9, &[], &[2, 3, 5])).unwrap();
    fixture.step(take(&second, 9, &[4], &[1, 4])).unwrap();
    let list = |subscription, after, limit| {
        let query = DeadLetterQuery { subscription, after, limit };
        let all = fixture.store.read(|connection| list_dead_letters(connection, query)).unwrap();
        all.into_iter().map(|dead| (dead.subscription, dead.letter.seq)).collect::<Vec<_>>()
    };
    let (a, b) = (first.id, second.id);
    assert_eq!(list(None, None, 4), [(a, 2), (a, 3), (a, 5), (b, 1)]);
    assert_eq!(list(None, Some((b, 1)), 4), [(b, 4)]);
    assert_eq!(list(None, Some((a, 3)), 2), [(a, 5), (b, 1)]);
    assert_eq!(list(Some(a), Some((a, 2)), 9), [(a, 3), (a, 5)]);

    let retried = fixture.change(move |connection| retry_dead_letters(connection, a, Some(&[3, 4])));
    assert_eq!((retried.letters, retried.more), (1, false));
    let due = RetryRow { seq: 3, key: Some("k3".into()), attempts: 0, due_ms: 0, problem: None };
    assert_eq!(fixture.open("a", "*", 0).retries, [due]);
    // One that is tried already goes on as it is.
    fixture.change(move |connection| retry_dead_letters(connection, b, None));
    assert_eq!(fixture.open("b", "*", 0).retries[1], row(4));
    let dropped = fixture.change(move |connection| drop_dead_letters(connection, a, Some(&[2])));
    assert_eq!(dropped.letters, 1);
    assert_eq!(list(None, None, 9), [(a, 5)]);
}

#[test]
fn a_dead_letter_that_the_log_delivers_again_is_not_tried_beside_it() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "*", 0);
    fixture.publish_all(ids(9));
    fixture.step(take(&progress, 3, &[], &[2, 3, 4, 7])).unwrap();
    let id = progress.id;
    let retried = fixture.change(move |connection| retry_dead_letters(connection, id, None));
    assert_eq!((retried.letters, retried.more, retried.is_full), (4, false, false));
    let after = fixture.open("a", "*", 0);
    assert_eq!(after.retries.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(after.dead_letters, 0);
    // What the log delivers may fail and get its row.
    let failed = [4, 7].map(|seq| RetryStep::Insert(row(seq))).to_vec();
    fixture.step(Step { retries: failed, ..step(&after, 3, 7) }).unwrap();
    assert_eq!(fixture.open("a", "*", 0).retries.len(), 4);
}

#[test]
fn many_dead_letters_are_moved_in_steps_and_no_more_than_there_may_be_retries() {
    let fixture = Fixture::new();
    let progress = fixture.open("a", "*", 0);
    let id = progress.id;
    let fill = move |connection: &mut crate::Connection, table: &str, columns: &str, first: i64, last: i64| {
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
             INSERT INTO {table} SELECT {id}, i, NULL, 1, {columns} FROM n"
        );
        Ok::<_, StoreError>(diesel::connection::SimpleConnection::batch_execute(connection, &sql)?)
    };
    fixture.change(move |connection| {
        fill(connection, "dead_letters", "0, 'c', 'm'", 1, 1300)?;
        fill(connection, "retries", "0, NULL, NULL", 2001, 11_200)
    });
    let retry = || fixture.change(move |connection| retry_dead_letters(connection, id, None));
    let steps: Vec<_> =
        std::iter::repeat_with(retry).take(3).map(|step| (step.letters, step.more, step.is_full)).collect();
    assert_eq!(steps, [(500, true, false), (300, true, true), (0, true, true)]);
    let one = fixture.change(move |connection| retry_dead_letters(connection, id, Some(&[1000])));
    assert_eq!((one.letters, one.is_full), (0, true));
    let none = fixture.change(move |connection| retry_dead_letters(connection, id, Some(&[1])));
    assert_eq!((none.letters, none.is_full), (0, false), "there is no such letter any more");
    let dropping = || fixture.change(move |connection| drop_dead_letters(connection, id, None));
    let steps: Vec<_> = std::iter::repeat_with(dropping).take(2).map(|step| (step.letters, step.more)).collect();
    assert_eq!(steps, [(500, false), (0, false)]);
}

#[test]
fn a_change_and_its_entry_in_the_trail_are_one_transaction() {
    let fixture = Fixture::new();
    let id = fixture.open("a", "*", 0).id;
    let entry = || NewEntry { action: "subscription.pause".into(), ..NewEntry::default() };
    let undone = fixture.store.write(move |connection| {
        pause_subscription(connection, id, "asked")?;
        audit::append(connection, entry())?;
        Err::<(), _>(StoreError::Unknown)
    });
    assert!(undone.wait().is_err());
    let trail = || fixture.store.read(|c| audit::list(c, &AuditQuery { limit: 9, ..AuditQuery::default() })).unwrap();
    assert_eq!((fixture.open("a", "*", 0).paused, trail().len()), (None, 0));
    fixture.change(move |connection| {
        pause_subscription(connection, id, "asked")?;
        audit::append(connection, entry())
    });
    assert_eq!((fixture.open("a", "*", 0).paused.as_deref(), trail().len()), (Some("asked"), 1));
}
