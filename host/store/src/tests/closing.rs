//! Closing and opening again.

use super::fixture::{BUCKET, Fixture, empty, set};
use crate::{Commit, CommitError, OpenError, Store, StoreError, StoreOptions};

#[test]
fn does_what_waits_and_folds_the_log_into_the_database() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let pending = fixture.store.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }).unwrap();
    let log = fixture.folder.path().join("backplane.sqlite-wal");
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| fixture.store.close());
        drop(held);
        pending.wait().unwrap();
        closing.join().unwrap();
    });
    assert_eq!(std::fs::metadata(&log).map_or(0, |log| log.len()), 0);
    fixture.store.close();
}

#[test]
fn refuses_what_comes_later() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.store.close();
    let commit = fixture.store.commit(empty(&space)).unwrap();
    assert!(matches!(commit.wait(), Err(CommitError::Unavailable(_))));
    let write = fixture.store.write(|_| Ok::<_, StoreError>(()));
    assert!(matches!(write.wait(), Err(StoreError::Unavailable(_))));
    assert_eq!(fixture.get(&space, "x", 0), None, "reading goes on");
}

#[test]
fn answers_everybody_who_writes_while_it_closes() {
    for _ in 0..20 {
        let fixture = Fixture::new();
        let space = fixture.space("a");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        match fixture.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }) {
                            Ok(_) => {}
                            Err(CommitError::Unavailable(_)) => break,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                });
            }
            fixture.store.close();
        });
    }
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(folder.path().join("data").join("backplane.sqlite"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut last = 0;
    for round in 0..3 {
        let store = Store::open(options.clone()).unwrap();
        let locked = Store::open(options.clone()).map(drop);
        assert!(matches!(locked, Err(OpenError::Locked { .. })), "{locked:?}");
        let space = store.space("a", crate::Quota::default()).unwrap();
        let mut snapshot = runtime.block_on(store.snapshot(&space, || 0)).unwrap();
        assert_eq!(snapshot.sequence(), last);
        assert_eq!(snapshot.get(BUCKET, b"x").unwrap().map(|row| row.version), (last > 0).then_some(last));
        drop(snapshot);
        let writes = vec![set("x", &round.to_string())];
        let version = store.commit(Commit { writes, ..empty(&space) }).unwrap().wait().unwrap().version;
        assert!(version > last);
        last = version;
    }
}

#[test]
fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    fixture.write(&fixture.space("a"), vec![set("x", "1")]);
    for entry in std::fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.file_name());
    }
}
