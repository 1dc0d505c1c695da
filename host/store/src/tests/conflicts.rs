//! When a commit is a conflict, and when it is not.

use std::sync::atomic::Ordering;

use super::fixture::{
    Fixture, between, delete, empty, get_and_note, increment, list_and_note, mark, read, set, set_for,
};
use crate::{Commit, CommitError, KeyRange, Seen};

/// Reads `key` at time 0, lets `meanwhile` happen, and commits another key.
fn after_reading(key: &str, meanwhile: impl FnOnce(&Fixture)) -> Result<(), CommitError> {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("here", "1"), set_for("brief", "1", 10)]);
    let mut snapshot = fixture.snapshot(&space, 0);
    let mut reads = Vec::new();
    get_and_note(&mut snapshot, key, &mut reads);
    meanwhile(&fixture);
    let commit =
        Commit { snapshot: Some(snapshot.sequence()), reads, writes: vec![set("other", "1")], ..empty(&space) };
    let outcome = fixture.commit(commit).map(drop);
    let written = fixture.get(&space, "other", 0).is_some();
    assert_eq!(written, outcome.is_ok(), "{outcome:?}");
    outcome
}

fn write(fixture: &Fixture, plugin: &str, writes: Vec<crate::KeyWrite>) {
    fixture.write(&fixture.space(plugin), writes);
}

#[test]
fn what_did_not_change_is_no_conflict() {
    assert!(after_reading("here", |_| {}).is_ok());
    assert!(after_reading("absent", |_| {}).is_ok());
    assert!(after_reading("here", |fixture| write(fixture, "a", vec![set("unread", "2")])).is_ok());
    assert!(after_reading("here", |fixture| write(fixture, "b", vec![set("here", "2")])).is_ok());
}

#[test]
fn what_changed_is_a_conflict() {
    let conflict = |key, writes: Vec<crate::KeyWrite>| {
        let outcome = after_reading(key, |fixture| write(fixture, "a", writes));
        assert!(matches!(outcome, Err(CommitError::Conflict)), "{key}: {outcome:?}");
    };
    conflict("here", vec![set("here", "2")]);
    conflict("here", vec![set("here", "1")]);
    conflict("here", vec![delete("here")]);
    conflict("here", vec![increment("here", 1)]);
    conflict("absent", vec![set("absent", "1")]);
    conflict("absent", vec![increment("absent", 1)]);
    conflict("brief", vec![set("brief", "1")]);
}

#[test]
fn what_is_absent_again_is_no_conflict() {
    let back_and_forth = |fixture: &Fixture| {
        write(fixture, "a", vec![set("absent", "1")]);
        write(fixture, "a", vec![delete("absent")]);
    };
    assert!(after_reading("absent", back_and_forth).is_ok());
    let there_and_back = |fixture: &Fixture| {
        write(fixture, "a", vec![delete("here")]);
        write(fixture, "a", vec![set("here", "1")]);
    };
    assert!(matches!(after_reading("here", there_and_back), Err(CommitError::Conflict)));
}

#[test]
fn deleting_what_is_not_there_changes_nothing() {
    assert!(after_reading("absent", |fixture| write(fixture, "a", vec![delete("absent")])).is_ok());
}

#[test]
fn a_key_that_another_sets_to_end_before_this_calls_time_is_absent() {
    let ends_at_once = |fixture: &Fixture| write(fixture, "a", vec![set_for("absent", "1", 0)]);
    assert!(after_reading("absent", ends_at_once).is_ok());
    let was_over = |fixture: &Fixture| {
        let space = fixture.space("a");
        let commit = Commit { now_ms: -100, writes: vec![set_for("absent", "1", 100)], ..empty(&space) };
        fixture.commit(commit).unwrap();
    };
    assert!(after_reading("absent", was_over).is_ok());
}

#[test]
fn time_that_passes_is_no_conflict() {
    assert!(after_reading("brief", |fixture| write(fixture, "a", vec![set("unread", "1")])).is_ok());
}

#[test]
fn what_was_there_and_is_collected_is_a_conflict() {
    let collect = |fixture: &Fixture| assert_eq!(fixture.store.collect(10).wait().unwrap().keys, 1);
    assert!(matches!(after_reading("brief", collect), Err(CommitError::Conflict)));
    assert!(after_reading("here", collect).is_ok());
}

/// Lists `b..d` of the keys a to e at time 0, lets `meanwhile` happen, and commits another key.
fn after_listing(meanwhile: impl FnOnce(&Fixture)) -> Result<(), CommitError> {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, ["a", "b", "c", "e"].map(|key| set(key, "1")).into());
    let mut snapshot = fixture.snapshot(&space, 0);
    let (keys, range) = list_and_note(&mut snapshot, between("b", "d"));
    assert_eq!(keys, ["b", "c"]);
    meanwhile(&fixture);
    let commit = Commit {
        snapshot: Some(snapshot.sequence()),
        ranges: vec![range],
        writes: vec![set("other", "1")],
        ..empty(&space)
    };
    let outcome = fixture.commit(commit).map(drop);
    assert_eq!(fixture.get(&space, "other", 0).is_some(), outcome.is_ok(), "{outcome:?}");
    outcome
}

#[test]
fn a_range_without_changes_is_no_conflict() {
    assert!(after_listing(|_| {}).is_ok());
    assert!(after_listing(|fixture| write(fixture, "a", vec![set("a", "2"), set("d", "2"), delete("e")])).is_ok());
    assert!(after_listing(|fixture| write(fixture, "b", vec![set("b", "2")])).is_ok());
    let come_and_gone = |fixture: &Fixture| {
        write(fixture, "a", vec![set("bb", "2")]);
        write(fixture, "a", vec![delete("bb")]);
    };
    assert!(after_listing(come_and_gone).is_ok());
}

#[test]
fn a_range_with_changes_is_a_conflict() {
    let conflict = |writes: Vec<crate::KeyWrite>| {
        let outcome = after_listing(|fixture| write(fixture, "a", writes.clone()));
        assert!(matches!(outcome, Err(CommitError::Conflict)), "{writes:?}: {outcome:?}");
    };
    conflict(vec![set("bb", "2")]);
    conflict(vec![set("b", "2")]);
    conflict(vec![delete("b")]);
    conflict(vec![delete("b"), set("bb", "2")]);
    conflict(vec![increment("cc", 1)]);
}

#[test]
fn a_range_that_grew_beyond_what_is_looked_at_is_a_conflict() {
    let grow = |fixture: &Fixture| {
        for block in 0..2 {
            let keys = (0..6000).map(|key| format!("z{block}{key:05}"));
            write(fixture, "a", keys.map(|key| set(&key, "")).collect());
        }
    };
    assert!(after_listing(grow).is_ok(), "outside of the range");
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let mut snapshot = fixture.snapshot(&space, 0);
    let (_, range) = list_and_note(&mut snapshot, KeyRange::all());
    grow(&fixture);
    let commit = Commit { snapshot: Some(snapshot.sequence()), ranges: vec![range], ..empty(&space) };
    assert!(matches!(fixture.commit(commit), Err(CommitError::Conflict)));
}

#[test]
fn a_conflict_is_told_before_anything_else() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("text", "not a number")]);
    let reads = vec![read("text", Seen::Absent { after: None })];
    let commit = Commit { reads, writes: vec![increment("text", 1)], ..empty(&space) };
    assert!(matches!(fixture.commit(commit), Err(CommitError::Conflict)));
}

#[test]
fn without_a_snapshot_every_read_is_looked_up() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let version = fixture.write(&space, vec![set("x", "1")]).version;
    let commit = |seen| fixture.commit(Commit { reads: vec![read("x", seen)], ..empty(&space) });
    let seen = |version| Seen::Version { version, value_bytes: 1 };
    assert!(commit(seen(version)).is_ok());
    assert!(matches!(commit(seen(version - 1)), Err(CommitError::Conflict)));
    assert!(matches!(commit(Seen::Absent { after: None }), Err(CommitError::Conflict)));
}

#[test]
fn a_commit_may_rely_on_one_that_is_not_decided_yet() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let (first, second) = (mark(), mark());
    let held = fixture.hold_writer();
    let submit = |commit| fixture.store.commit(commit).unwrap();
    let outcomes = [
        submit(Commit { writes: vec![set("x", "1")], mark: Some(first.clone()), ..empty(&space) }),
        submit(Commit {
            reads: vec![read("x", Seen::Written(first.clone()))],
            writes: vec![delete("x"), set("y", "2")],
            mark: Some(second.clone()),
            ..empty(&space)
        }),
        submit(Commit {
            reads: vec![
                read("x", Seen::Absent { after: Some(second.clone()) }),
                read("y", Seen::Written(second.clone())),
            ],
            writes: vec![set("z", "3")],
            ..empty(&space)
        }),
    ];
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (0, 0));
    drop(held);
    let versions = outcomes.map(|outcome| outcome.wait().unwrap().version);
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!([first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)], versions[..2]);
    assert_eq!(fixture.get(&space, "x", 0), None);
    assert_eq!(fixture.value(&space, "z", 0).unwrap(), "3");
}

#[test]
fn a_commit_that_relies_on_a_refused_one_is_a_conflict() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let (first, second) = (mark(), mark());
    let held = fixture.hold_writer();
    let submit = |commit| fixture.store.commit(commit).unwrap();
    let refused = submit(Commit {
        reads: vec![read("x", Seen::Version { version: 99, value_bytes: 1 })],
        writes: vec![delete("y")],
        mark: Some(first.clone()),
        ..empty(&space)
    });
    let after_delete = submit(Commit {
        reads: vec![read("y", Seen::Absent { after: Some(first.clone()) })],
        mark: Some(second.clone()),
        ..empty(&space)
    });
    let after_that = submit(Commit { reads: vec![read("x", Seen::Written(second.clone()))], ..empty(&space) });
    drop(held);
    for outcome in [refused, after_delete, after_that] {
        assert!(matches!(outcome.wait(), Err(CommitError::Conflict)));
    }
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (-1, -1));
}

#[test]
fn another_write_between_a_mark_and_its_reader_is_a_conflict() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let first = mark();
    fixture.commit(Commit { writes: vec![set("x", "1")], mark: Some(first.clone()), ..empty(&space) }).unwrap();
    fixture.write(&space, vec![set("x", "2")]);
    let reads = vec![read("x", Seen::Written(first))];
    assert!(matches!(fixture.commit(Commit { reads, ..empty(&space) }), Err(CommitError::Conflict)));
}

#[test]
fn a_mark_that_is_not_decided_is_a_conflict() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let reads = vec![read("x", Seen::Absent { after: Some(mark()) })];
    assert!(matches!(fixture.commit(Commit { reads, ..empty(&space) }), Err(CommitError::Conflict)));
}

#[test]
fn a_commit_that_the_queue_does_not_take_is_decided() {
    let fixture = Fixture::with(|options| options.queue_commits_max = 2);
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let waiting = fixture.store.commit(empty(&space)).unwrap();
    let refused = mark();
    let outcome = fixture.store.commit(Commit { mark: Some(refused.clone()), ..empty(&space) });
    assert!(matches!(outcome, Err(CommitError::Busy)));
    assert_eq!(refused.load(Ordering::SeqCst), -1);
    drop(held);
    waiting.wait().unwrap();
}
