//! What happens when the database cannot be written.

use std::{sync::atomic::Ordering, time::Duration};

use diesel::connection::SimpleConnection as _;
use tokio::time::Instant;

use super::fixture::{Fixture, empty, mark, read, set};
use crate::{Commit, CommitError, KeyWrite, Seen, StoreError};

/// Makes the batch that it is part of fail when it is committed: a row without its parent, looked at only then.
fn spoil(fixture: &Fixture) -> crate::Pending<(), StoreError> {
    fixture.store.write(|connection| {
        connection.batch_execute("PRAGMA defer_foreign_keys = ON; INSERT INTO usage VALUES (999, 0, 0)")?;
        Ok(())
    })
}

#[test]
fn a_commit_that_does_not_reach_the_disk_leaves_nothing_of_its_batch() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    let before = fixture.write(&space, vec![set("x", "1")]).version;
    let sequence = fixture.snapshot(&space, 0).sequence();
    let (first, second) = (mark(), mark());
    let held = fixture.hold_writer();
    let commit = |commit| fixture.store.commit(commit).unwrap();
    let writes = commit(Commit { writes: vec![set("x", "2")], mark: Some(first.clone()), ..empty(&space) });
    let spoiled = spoil(&fixture);
    let follows = commit(Commit {
        reads: vec![read("x", Seen::Written(first.clone()))],
        writes: vec![set("y", "2")],
        mark: Some(second.clone()),
        ..empty(&space)
    });
    let conflict = commit(Commit { reads: vec![read("x", Seen::Absent { after: None })], ..empty(&space) });
    drop(held);
    assert!(matches!(spoiled.wait(), Err(StoreError::Unavailable(_))));
    for outcome in [writes.wait(), follows.wait(), conflict.wait()] {
        assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
    }
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (-1, -1));
    assert_eq!(fixture.get(&space, "x", 0).unwrap().version, before);
    assert_eq!(fixture.get(&space, "y", 0), None);
    // The batch of nothing that took its place took a version.
    assert_eq!(fixture.snapshot(&space, 0).sequence(), sequence + 1);
    // What was read before the failure is still valid, and versions of lost commits go to the next.
    let reads = vec![read("x", Seen::Version { version: before, value_bytes: 1 })];
    let next = Commit { snapshot: Some(sequence), reads, writes: vec![set("x", "3")], ..empty(&space) };
    assert_eq!(fixture.commit(next).unwrap().version, before + 2);
    assert!(!fixture.is_failing());
}

#[test]
fn a_batch_that_fails_at_its_end_is_written_over_before_anybody_is_told() {
    let fixture = Fixture::new();
    let before = fixture.sequence();
    assert!(spoil(&fixture).wait().is_err());
    // A batch of nothing takes a version.
    assert_eq!(fixture.sequence(), before + 1);
    assert!(!fixture.is_failing());
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_the_store_recovers() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let large = || -> Vec<KeyWrite> { (0..100).map(|key| set(&key.to_string(), &"v".repeat(4000))).collect() };
    let full = fixture
        .store
        .write(|connection| connection.batch_execute("PRAGMA max_page_count = 40").map_err(StoreError::from));
    full.wait().unwrap();
    let refused = fixture.commit(Commit { writes: large(), ..empty(&space) });
    assert!(matches!(&refused, Err(CommitError::Unavailable(source)) if source.to_string().contains("full")));
    assert_eq!(fixture.get(&space, "0", 0), None, "half of a commit");
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "1");
    // The writer has another connection by now, for which the disk is not full.
    fixture.write(&space, large());
    assert!(!fixture.is_failing());
}

#[test]
fn another_process_that_holds_the_database_is_waited_for_and_then_told() {
    let fixture = Fixture::with(|options| options.busy_timeout = Duration::from_millis(300));
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let mut other = fixture.other_connection();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let waiting = Instant::now();
    let submit = || fixture.store.commit(Commit { writes: vec![set("x", "2")], ..empty(&space) }).unwrap();
    for outcome in [submit(), submit(), submit()].map(crate::Pending::wait) {
        assert!(
            matches!(&outcome, Err(CommitError::Unavailable(source)) if source.to_string().contains("locked")),
            "{outcome:?}"
        );
    }
    assert!(waiting.elapsed() < Duration::from_secs(5));
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "1", "reading goes on");
    assert!(fixture.is_failing());
    other.batch_execute("ROLLBACK").unwrap();
    // Nobody writes: the writer finds out by itself.
    while fixture.is_failing() {
        std::thread::sleep(Duration::from_millis(10));
        assert!(waiting.elapsed() < Duration::from_secs(30), "the writer does not try again");
    }
    fixture.write(&space, vec![set("x", "3")]);
}

#[test]
fn a_short_lock_of_another_process_only_delays() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let mut other = fixture.other_connection();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let pending = fixture.store.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    other.batch_execute("COMMIT").unwrap();
    pending.wait().unwrap();
    assert!(!fixture.is_failing());
}
