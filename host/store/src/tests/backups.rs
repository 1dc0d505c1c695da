//! Backups under load: what is restored is one state, and a server goes on from it.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use diesel::prelude::*;

use super::fixture::{Fixture, StopOnDrop, empty, set};
use crate::{
    CommandStore, Commit, Existing, Quota, Store, StoreOptions, back_up, restore,
    schema::{counters, kv},
    size::kv_bytes,
};

/// Keys that every commit sets to one and the same value.
const KEYS: usize = 40;

/// Commits one value after another to all keys until it is told to stop.
fn write(fixture: &Fixture, plugin: &str, stop: &AtomicBool) {
    let space = fixture.space(plugin);
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let value = format!("{turn}").repeat(turn % 50);
        let writes = (0..KEYS).map(|key| set(&key.to_string(), &value)).collect();
        let before =
            if turn % 3 == 0 { vec![set("sometimes", "1")] } else { vec![super::fixture::delete("sometimes")] };
        let writes = [before, writes].concat();
        fixture.commit(Commit { writes, ..empty(&space) }).unwrap();
    }
}

/// Checks that a database is one state, and that a server goes on from it.
fn check(path: &Path) {
    let mut connection = crate::connection::establish(path, std::time::Duration::ZERO).unwrap();
    let rows: Vec<(i64, Vec<u8>, i64, i64)> = kv::table
        .filter(kv::key.ne(&b"sometimes"[..]))
        .select((kv::plugin_id, kv::value, kv::version, kv_bytes()))
        .load(&mut connection)
        .unwrap();
    for plugin_id in [1, 2] {
        let mut states: Vec<_> = rows.iter().filter(|row| row.0 == plugin_id).map(|row| (&row.1, row.2)).collect();
        assert_eq!(states.len(), KEYS);
        states.dedup();
        assert_eq!(states.len(), 1, "keys of several commits");
    }
    let newest: Option<i64> = kv::table.select(diesel::dsl::max(kv::version)).first(&mut connection).unwrap();
    let sequence: i64 = counters::table.find("sequence").select(counters::value).first(&mut connection).unwrap();
    assert_eq!(newest, Some(sequence));
    let bytes: i64 = kv::table.select(kv_bytes()).load::<i64>(&mut connection).unwrap().iter().sum();
    drop(connection);
    let usage = CommandStore::open(path).unwrap().list_usage().unwrap();
    assert_eq!(usage.iter().map(|usage| usage.bytes).sum::<u64>(), bytes.unsigned_abs());

    let store = Store::open(StoreOptions::new(path)).unwrap();
    let space = store.space("a", Quota::default()).unwrap();
    let committed = store.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }).unwrap().wait().unwrap();
    assert_eq!(committed.version, sequence + 1);
    store.close();
}

#[test]
fn a_backup_under_load_is_restored_to_one_state_that_a_server_goes_on_from() {
    let fixture = Fixture::new();
    let stop = AtomicBool::new(false);
    let (target, restored) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for plugin in ["a", "b"] {
            let (fixture, stop) = (&fixture, &stop);
            // Both have keys before the first backup.
            fixture.write(&fixture.space(plugin), (0..KEYS).map(|key| set(&key.to_string(), "")).collect());
            scope.spawn(move || write(fixture, plugin, stop));
        }
        let mut sequences = Vec::new();
        for backup in 0..5 {
            let backup = target.path().join(backup.to_string());
            back_up(fixture.store.path(), &backup).unwrap();
            let database = restored.path().join("backplane.sqlite");
            restore(&backup, &database, Existing::Replace).unwrap();
            check(&database);
            let sequence = fixture.store.write(|connection| {
                Ok::<i64, crate::StoreError>(
                    counters::table.find("sequence").select(counters::value).first(connection)?,
                )
            });
            sequences.push(sequence.wait().unwrap());
        }
        // The writers were writing.
        assert!(sequences.is_sorted_by(|earlier, later| earlier < later), "{sequences:?}");
    });
}

#[test]
fn a_backup_has_what_only_the_log_has() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let target = tempfile::tempdir().unwrap();
    let backup = target.path().join("backup");
    back_up(fixture.store.path(), &backup).unwrap();
    let mut export = Vec::new();
    assert_eq!(CommandStore::open(&backup).unwrap().export("a", 0, &mut export).unwrap(), 1);
}
