//! A database that fails under one job of a batch. Triggers play the failure.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use diesel::{connection::SimpleConnection as _, prelude::*};

use super::{
    event_fixture::{KEEP, event},
    fixture::{Fixture, empty, mark, read, set, set_for},
};
use crate::{
    Commit, CommitError, Pending, Seen, Space, StoreError,
    events::RetentionLimits,
    schema::{kv, usage},
};

/// Makes writing and deleting the key `broken`, and deleting events, fail as `how` says (`RAISE`, "CREATE TRIGGER").
fn break_database(connection: &mut SqliteConnection, how: &str) {
    let fails = format!("BEGIN SELECT RAISE({how}, 'a test''s failure'); END;");
    let is_broken = |row: &str| format!("WHEN {row}.key = CAST('broken' AS BLOB)");
    let triggers = format!(
        "CREATE TRIGGER broken_insert BEFORE INSERT ON kv {} {fails}
         CREATE TRIGGER broken_delete BEFORE DELETE ON kv {} {fails}
         CREATE TRIGGER broken_event BEFORE DELETE ON events {fails}",
        is_broken("NEW"),
        is_broken("OLD"),
    );
    connection.batch_execute(&triggers).unwrap();
}

const MEND: &str = "DROP TRIGGER broken_insert; DROP TRIGGER broken_delete; DROP TRIGGER broken_event";

/// Submits jobs that all get into one batch, and breaks the database before it begins. The writer waits for another
/// process meanwhile, and not for a job, which would change what is tested.
fn in_one_batch<T>(fixture: &Fixture, how: &str, submit: impl FnOnce() -> T) -> T {
    let mut other = fixture.other_connection();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    break_database(&mut other, how);
    let submitted = submit();
    other.batch_execute("COMMIT").unwrap();
    submitted
}

fn fails<T, E: std::error::Error>(outcome: Result<T, E>) -> bool {
    let Err(error) = outcome else { return false };
    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .any(|error| error.to_string().contains("a test's failure"))
}

/// What the store counts of its only plugin, and what is there.
fn counted_and_kept(fixture: &Fixture) -> (i64, i64) {
    let numbers = |connection: &mut _| {
        let counted = usage::table.select(usage::keys).first(connection)?;
        Ok::<_, StoreError>((counted, kv::table.count().get_result(connection)?))
    };
    fixture.store.read(numbers).unwrap()
}

fn submit(fixture: &Fixture, commit: Commit) -> Pending<crate::Committed, CommitError> {
    fixture.store.commit(commit).unwrap()
}

fn set_one(fixture: &Fixture, space: &Arc<Space>, key: &str) -> Pending<crate::Committed, CommitError> {
    submit(fixture, Commit { writes: vec![set(key, "1")], ..empty(space) })
}

#[test]
fn a_commit_is_told_so_alone() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    let before = (fixture.write(&space, vec![set("x", "0")]).version, fixture.store.written());
    let (good, lost) = (mark(), mark());
    let follows = |mark: &crate::Mark, key: &str| Commit {
        reads: vec![read(key, Seen::Written(mark.clone()))],
        writes: vec![set("z", "1")],
        ..empty(&space)
    };
    let [first, fails_half_way, on_lost, on_good, conflict, last] = in_one_batch(&fixture, "ABORT", || {
        [
            Commit { writes: vec![set("x", "1")], mark: Some(good.clone()), ..empty(&space) },
            Commit {
                writes: vec![set("half", "1"), set("broken", "1")],
                events: vec![event("lost")],
                mark: Some(lost.clone()),
                ..empty(&space)
            },
            follows(&lost, "half"),
            follows(&good, "x"),
            Commit { reads: vec![read("x", Seen::Absent { after: None })], ..empty(&space) },
            Commit { writes: vec![set("y", "1")], events: vec![event("kept")], ..empty(&space) },
        ]
        .map(|commit| submit(&fixture, commit))
    });
    // What the other process wrote took the first version, once though the batch began twice.
    assert_eq!(first.wait().unwrap().version, before.0 + 2);
    assert!(fails(fails_half_way.wait()));
    assert!(matches!(on_lost.wait(), Err(CommitError::Conflict)));
    assert_eq!(on_good.wait().unwrap().version, before.0 + 3);
    assert!(matches!(conflict.wait(), Err(CommitError::Conflict)));
    let last = last.wait().unwrap();
    assert_eq!((last.version, last.events), (before.0 + 4, vec![1]));
    assert_eq!((good.load(Ordering::SeqCst), lost.load(Ordering::SeqCst)), (before.0 + 2, -1));
    assert_eq!((fixture.get(&space, "half", 0), fixture.get(&space, "broken", 0)), (None, None));
    assert_eq!((fixture.log_ids(), counted_and_kept(&fixture)), (vec!["kept".to_owned()], (3, 3)));
    let after = fixture.store.written();
    assert_eq!((after.batches, after.commits), (before.1.batches + 1, before.1.commits + 3));
    assert!(!fixture.is_failing());
    assert!(fails(set_one(&fixture, &space, "broken").wait()));
    fixture.write(&space, vec![set("later", "1")]);
}

#[test]
fn a_batch_that_begins_anew_takes_a_version_for_what_another_process_wrote() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "0")]);
    let before = fixture.sequence();
    let (broken, conflict) = in_one_batch(&fixture, "ABORT", || {
        let reads = vec![read("x", Seen::Absent { after: None })];
        (set_one(&fixture, &space, "broken"), submit(&fixture, Commit { reads, ..empty(&space) }))
    });
    assert!(fails(broken.wait()) && matches!(conflict.wait(), Err(CommitError::Conflict)));
    assert_eq!(fixture.sequence(), before + 1, "though nobody committed");
}

#[test]
fn a_failure_that_ends_the_transaction_is_everybodys() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "0")]);
    let [first, broken, last] =
        in_one_batch(&fixture, "ROLLBACK", || ["first", "broken", "last"].map(|key| set_one(&fixture, &space, key)));
    assert!(fails(first.wait()) && fails(broken.wait()));
    // Nobody had begun that one.
    last.wait().unwrap();
    assert_eq!((fixture.get(&space, "first", 0), counted_and_kept(&fixture)), (None, (2, 2)));
}

#[test]
fn a_batch_all_of_which_fails_is_a_store_that_cannot_be_written() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "0")]);
    let broken = in_one_batch(&fixture, "ABORT", || [(); 3].map(|()| set_one(&fixture, &space, "broken")));
    assert!(broken.into_iter().all(|broken| fails(broken.wait())));
    assert!(fixture.is_failing());
    fixture.other_connection().batch_execute(MEND).unwrap();
    fixture.write(&space, vec![set("broken", "1")]);
    assert!(!fixture.is_failing());
}

#[test]
fn a_write_of_the_host_beside_it_is_done_once_and_kept() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "0")]);
    let runs = Arc::new(AtomicUsize::new(0));
    let (host, commits) = in_one_batch(&fixture, "ABORT", || {
        let seen = Arc::clone(&runs);
        let host = fixture.store.write(move |connection| {
            seen.fetch_add(1, Ordering::SeqCst);
            connection.batch_execute("INSERT INTO counters VALUES ('host', 1)").map_err(StoreError::from)
        });
        (host, ["first", "broken", "second", "third"].map(|key| set_one(&fixture, &space, key)))
    });
    host.wait().unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let [first, broken, second, third] = commits;
    assert!(first.wait().is_ok() && fails(broken.wait()) && second.wait().is_ok() && third.wait().is_ok());
    assert_eq!(counted_and_kept(&fixture), (4, 4));
}

#[test]
fn what_sweeps_is_told_so_alone() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set_for("a", "1", 10), set_for("broken", "1", 10)]);
    fixture.publish_all(["1".into()]);
    let before = fixture.store.written().batches;
    let (commit, collected, erased, retained, last) = in_one_batch(&fixture, "ABORT", || {
        (
            set_one(&fixture, &space, "x"),
            fixture.store.collect(10),
            fixture.store.delete_step("a"),
            fixture.store.collect_events(RetentionLimits { bytes: 0, ..KEEP }, 10),
            set_one(&fixture, &space, "y"),
        )
    });
    assert!(fails(collected.wait()) && fails(erased.wait()) && fails(retained.wait()));
    assert!(commit.wait().is_ok() && last.wait().is_ok());
    assert_eq!((counted_and_kept(&fixture), fixture.store.written().batches), ((4, 4), before + 1));
    assert_eq!(fixture.log_ids(), ["1"]);
    fixture.other_connection().batch_execute(MEND).unwrap();
    assert_eq!(fixture.store.collect(10).wait().unwrap().keys, 2);
    assert_eq!(fixture.retain(RetentionLimits { bytes: 0, ..KEEP }, 10).events, 1);
    assert_eq!(counted_and_kept(&fixture), (2, 2));
}
