//! Rows in memory: those of commits that are on disk, and all of one moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::connection::SimpleConnection as _;
use tokio::time::Instant;

use super::fixture::{BUCKET, Fixture, StopOnDrop, delete, empty, increment, set, set_for};
use crate::{CommandStore, Commit, Row, Space, Store, StoreError, keys::Name, sequence};

/// Returns what a run that begins now finds in memory.
fn find(store: &Store, space: &Space, key: &str) -> Option<Row> {
    store.find_recent(space, BUCKET, key.as_bytes(), store.recent_sequence()?, 0)
}

fn wait_until(look: impl Fn() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_commit_did_is_what_is_found() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let found = |key| find(&fixture.store, &space, key);
    let version = fixture.write(&space, vec![set("x", "1"), set_for("y", "1", 10), set("n", "1")]).version;
    assert_eq!(found("x"), Some(Row { value: b"1".to_vec(), version }));
    assert_eq!(found("y"), Some(Row { value: b"1".to_vec(), version }));
    assert_eq!(fixture.store.find_recent(&space, BUCKET, b"y", version, 10), None, "its time is over");
    fixture.write(&space, vec![delete("x"), set("y", "2"), set("y", "3"), increment("n", 1)]);
    assert_eq!((found("x"), found("n")), (None, None));
    assert_eq!(found("y").map(|row| row.value), Some(b"3".to_vec()), "the last of two");
    assert_eq!(fixture.value(&space, "n", 0).as_deref(), Some("2"));
    assert_eq!(found("n").map(|row| row.value), Some(b"2".to_vec()), "a snapshot has read it");
    assert_eq!(find(&fixture.store, &fixture.space("b"), "y"), None, "another plugin's");
}

#[test]
fn a_batch_that_does_not_reach_the_disk_is_not_found() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let held = fixture.hold_writer();
    let write = fixture.store.commit(Commit { writes: vec![set("x", "2")], ..empty(&space) }).unwrap();
    let panics = fixture.store.write(|_| -> Result<(), StoreError> { panic!("a test's panic") });
    drop(held);
    assert!(write.wait().is_err() && panics.wait().is_err());
    assert!(find(&fixture.store, &space, "x").is_none_or(|row| row.value == b"1"));
    fixture.write(&space, vec![set("y", "1")]);
    assert_eq!(fixture.value(&space, "x", 0).as_deref(), Some("1"));
}

#[test]
fn what_was_erased_is_gone() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let mut before = fixture.snapshot(&space, 0);
    assert!(before.get(BUCKET, b"x").unwrap().is_some());
    fixture.store.delete_step("a").wait().unwrap();
    assert!(before.get(BUCKET, b"x").unwrap().is_some(), "it shows what was");
    assert_eq!(find(&fixture.store, &space, "x"), None);
}

#[test]
fn what_another_process_deleted_is_gone_though_nobody_commits() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    fixture.other_connection().batch_execute("DELETE FROM kv").unwrap();
    wait_until(|| find(&fixture.store, &space, "x").is_none());
}

#[test]
fn memory_is_read_again_after_a_command_deleted_though_nobody_commits() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    CommandStore::open(fixture.store.path()).unwrap().delete_step("a").unwrap();
    let seen = fixture.snapshot(&space, 0).sequence();
    wait_until(|| fixture.store.recent_sequence().is_some_and(|sequence| sequence > seen));
    assert_eq!(find(&fixture.store, &space, "x"), None);
}

#[test]
fn all_of_one_sequence_is_of_one_moment() {
    let fixture = Fixture::new();
    let (space, store) = (fixture.space("a"), &fixture.store);
    let done = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        let read = || {
            let mut pairs = 0;
            while !done.load(Ordering::Relaxed) {
                let sequence = store.recent_sequence();
                let found = |key: &[u8]| store.find_recent(&space, BUCKET, key, sequence?, 0);
                match (found(b"x"), found(b"y")) {
                    (Some(x), Some(y)) => {
                        assert_eq!(x, y, "at {sequence:?}");
                        pairs += 1;
                    }
                    // Brings into memory what they show, while commits go on.
                    _ => drop((fixture.get(&space, "x", 0), fixture.get(&space, "y", 0))),
                }
            }
            pairs
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
        let stop = StopOnDrop(&done);
        for round in 0..3_000 {
            let writes = match round % 5 {
                // They come back to memory by a snapshot, if one is in time.
                0 => vec![delete("x"), delete("y")],
                1 => vec![increment("x", round), increment("y", round)],
                _ => vec![set("x", &round.to_string()), set("y", &round.to_string())],
            };
            fixture.write(&space, writes);
        }
        drop(stop);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
    });
    assert!(found > 100, "{found} pairs");
}

#[test]
fn memory_that_is_behind_what_somebody_saw_is_not_read() {
    let fixture = Fixture::new();
    let (space, store) = (fixture.space("a"), &fixture.store);
    let before = fixture.write(&space, vec![set("x", "1"), set("y", "1")]).version;
    for look in
        [(|fixture, space| fixture.snapshot(space, 0).sequence()) as fn(&Fixture, &Arc<Space>) -> i64, |fixture, _| {
            fixture.store.read(|connection| Ok::<_, StoreError>(sequence::load(connection)?)).unwrap()
        }]
    {
        // The batch is on disk, and the writer waits for its first row's place in memory.
        let held = store.hold_recent(Name { plugin_id: space.id(), bucket: BUCKET, key: b"x" });
        let before = fixture.sequence();
        let write = store.commit(Commit { writes: vec![set("x", "2"), set("y", "2")], ..empty(&space) }).unwrap();
        wait_until(|| look(&fixture, &space) > before);
        assert_eq!(store.recent_sequence(), None);
        drop(held);
        let version = write.wait().unwrap().version;
        assert_eq!(store.recent_sequence(), Some(version));
        assert_eq!(find(store, &space, "y").map(|row| row.version), Some(version));
    }
    assert!(fixture.sequence() > before);
}

#[test]
fn whoever_saw_a_commit_finds_nothing_older_in_memory() {
    let fixture = Fixture::new();
    let (space, store) = (fixture.space("a"), &fixture.store);
    let done = AtomicBool::new(false);
    let found = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut found = 0;
            while !done.load(Ordering::Relaxed) {
                // Every commit writes this key.
                let seen = fixture.snapshot(&space, 0).sequence();
                if let Some(row) = find(store, &space, "x") {
                    assert!(row.version >= seen, "{} after {seen}", row.version);
                    found += 1;
                }
            }
            found
        });
        let stop = StopOnDrop(&done);
        for round in 0..20_000 {
            fixture.write(&space, vec![set("x", &round.to_string())]);
        }
        drop(stop);
        reader.join().unwrap()
    });
    assert!(found > 100, "{found} rows");
}
