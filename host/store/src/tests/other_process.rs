//! Another process writes beside the writer, as commands do.

use diesel::connection::SimpleConnection as _;

use super::fixture::{BUCKET, Fixture, between, empty, get_and_note, list_and_note, set};
use crate::{Commit, CommitError, KeyRange, Quota, RangeRead, Resource, StoreError};

/// Reads x and a range, lets another process run `sql`, and commits.
fn after(sql: &str) -> Result<(), CommitError> {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1"), set("y", "1")]);
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut reads = Vec::new();
    get_and_note(&mut snapshot, "x", &mut reads);
    get_and_note(&mut snapshot, "absent", &mut reads);
    let (_, range) = list_and_note(&mut snapshot, between("x", "z"));
    fixture.other_connection().batch_execute(sql).unwrap();
    let writes = vec![set("other", "1")];
    let snapshot = Some(snapshot.sequence());
    let commit = Commit { snapshot, reads, ranges: vec![range], writes, ..empty(&space) };
    let outcome = fixture.commit(commit).map(drop);
    assert_eq!(fixture.get(&space, "other", 0).is_some(), outcome.is_ok());
    outcome
}

#[test]
fn what_it_changed_is_a_conflict() {
    for sql in [
        "DELETE FROM kv WHERE key = CAST('x' AS BLOB)",
        "DELETE FROM kv WHERE key = CAST('y' AS BLOB)",
        "UPDATE kv SET version = 100; UPDATE counters SET value = 100",
        "INSERT INTO kv VALUES (1, 'b', CAST('absent' AS BLOB), 100, NULL, x''); UPDATE counters SET value = 100",
    ] {
        let outcome = after(sql);
        assert!(matches!(outcome, Err(CommitError::Conflict)), "{sql}: {outcome:?}");
    }
}

#[test]
fn what_it_did_not_change_is_looked_up_and_holds() {
    after("INSERT INTO counters VALUES ('other', 1)").unwrap();
    after("INSERT INTO plugins (name) VALUES ('new')").unwrap();
}

#[test]
fn its_sequence_and_its_usage_are_taken_over() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 3, bytes: 1000 }).unwrap();
    fixture.write(&space, vec![set("x", "1"), set("y", "1"), set("z", "1")]);
    let full = fixture.commit(Commit { writes: vec![set("one-more", "1")], ..empty(&space) });
    assert!(matches!(full, Err(CommitError::QuotaExceeded { resource: Resource::Keys, .. })));
    let sql = "BEGIN IMMEDIATE; DELETE FROM kv; UPDATE usage SET keys = 0, bytes = 0;
               UPDATE counters SET value = 1000; COMMIT";
    fixture.other_connection().batch_execute(sql).unwrap();
    let version = fixture.write(&space, vec![set("one-more", "1")]).version;
    // The first one is for what it wrote.
    assert_eq!(version, 1002);
    let mut snapshot = fixture.snapshot(&space, 0);
    assert_eq!(snapshot.sequence(), 1002);
    assert!(snapshot.get(BUCKET, b"one-more").unwrap().is_some());
}

#[test]
fn its_write_is_noticed_by_a_batch_that_then_fails() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut reads = Vec::new();
    get_and_note(&mut snapshot, "x", &mut reads);
    fixture.other_connection().batch_execute("DELETE FROM kv").unwrap();
    let panics = fixture.store.write(|_| -> Result<(), StoreError> { panic!("a test's panic") });
    assert!(panics.wait().is_err());
    let commit = Commit { snapshot: Some(snapshot.sequence()), reads, ..empty(&space) };
    assert!(matches!(fixture.commit(commit), Err(CommitError::Conflict)));
}

#[test]
fn a_listing_that_is_too_long_to_look_at_conflicts_once_after_it() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let write = |block: u32| {
        let keys = (0..6000).map(|key| format!("{block}{key:05}"));
        fixture.write(&space, keys.map(|key| set(&key, "")).collect()).version
    };
    write(0);
    let newest = write(1);
    // What a handler does that reads all of it. Nobody else commits.
    let run = || {
        let snapshot = Some(fixture.snapshot(&space, 0).sequence());
        let all = RangeRead { bucket: BUCKET.into(), range: KeyRange::all(), count: 12_000, newest };
        fixture.commit(Commit { snapshot, ranges: vec![all], ..empty(&space) })
    };
    run().unwrap();
    fixture.other_connection().batch_execute("INSERT INTO counters VALUES ('other', 1)").unwrap();
    assert!(matches!(run(), Err(CommitError::Conflict)));
    run().unwrap();
    // Nor is it known what happened before the writer had this connection.
    let panics = fixture.store.write(|_| -> Result<(), StoreError> { panic!("a test's panic") });
    assert!(panics.wait().is_err());
    assert!(matches!(run(), Err(CommitError::Conflict)));
    run().unwrap();
}
