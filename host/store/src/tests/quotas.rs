//! What a plugin may keep.

use std::sync::Arc;

use diesel::prelude::*;

use super::fixture::{Fixture, delete, empty, get_and_note, increment, mark, read, set, set_for};
use crate::{
    Commit, CommitError, KeyWrite, NewReply, Quota, Reply, ReplyKey, Resource, Seen, Space, StoreError,
    schema::{kv, replies, usage},
    size::{kv_bytes, reply_bytes},
};

/// Checks that what the writer counts is what the rows come to.
fn check_usage(fixture: &Fixture) {
    let counted = fixture.store.read(|connection| {
        let counted: Vec<(i64, i64, i64)> =
            usage::table.select((usage::plugin_id, usage::keys, usage::bytes)).load(connection)?;
        for (plugin, keys, bytes) in &counted {
            let of_keys: Vec<i64> = kv::table.filter(kv::plugin_id.eq(plugin)).select(kv_bytes()).load(connection)?;
            let of_replies: Vec<i64> =
                replies::table.filter(replies::plugin_id.eq(plugin)).select(reply_bytes()).load(connection)?;
            let sum: i64 = of_keys.iter().chain(&of_replies).sum();
            assert_eq!((*keys, *bytes), (of_keys.len() as i64, sum));
        }
        Ok::<_, StoreError>(counted.len())
    });
    assert!(counted.unwrap() > 0);
}

fn try_write(fixture: &Fixture, space: &Arc<Space>, writes: Vec<KeyWrite>) -> Result<(), CommitError> {
    fixture.commit(Commit { writes, ..empty(space) }).map(drop)
}

#[test]
fn refuses_one_key_too_many() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 2, bytes: 1000 }).unwrap();
    try_write(&fixture, &space, vec![set("x", "1"), set("y", "1")]).unwrap();
    let refused = try_write(&fixture, &space, vec![set("x", "2"), set("z", "1")]);
    assert!(matches!(refused, Err(CommitError::QuotaExceeded { resource: Resource::Keys, max: 2 })), "{refused:?}");
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "1");
    try_write(&fixture, &space, vec![delete("x"), set("z", "1")]).unwrap();
    try_write(&fixture, &space, vec![set("z", "2")]).unwrap();
    check_usage(&fixture);
}

#[test]
fn refuses_one_byte_too_many() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 10, bytes: 10 }).unwrap();
    try_write(&fixture, &space, vec![set("x", "12345678")]).unwrap();
    let refused = try_write(&fixture, &space, vec![set("x", "123456789")]);
    assert!(matches!(refused, Err(CommitError::QuotaExceeded { resource: Resource::Bytes, max: 10 })), "{refused:?}");
    try_write(&fixture, &space, vec![set("x", "1"), set("y", "12345")]).unwrap();
    check_usage(&fixture);
}

#[test]
fn a_reply_counts_and_is_refused_with_its_commit() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 10, bytes: 100 }).unwrap();
    let reply = |body: usize| {
        let key = ReplyKey { principal: "p", route: "r", key: "k" };
        Some(NewReply::new(key, Reply { fingerprint: vec![], status: 200, headers: vec![], body: vec![0; body] }, 10))
    };
    let commit = |now_ms, reply| {
        fixture.commit(Commit { now_ms, reply, writes: vec![set("x", "1")], ..empty(&space) }).map(drop)
    };
    assert!(matches!(commit(0, reply(100)), Err(CommitError::QuotaExceeded { .. })));
    assert_eq!(fixture.get(&space, "x", 0), None);
    commit(0, reply(80)).unwrap();
    check_usage(&fixture);
    // The one that expired makes room for the next.
    commit(10, reply(90)).unwrap();
    check_usage(&fixture);
}

#[test]
fn a_lowered_quota_lets_a_plugin_write_what_makes_it_smaller() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    try_write(&fixture, &space, vec![set("x", "1234"), set("y", "1234"), set("z", "1234")]).unwrap();
    assert!(Arc::ptr_eq(&space, &fixture.store.space("a", Quota { keys: 1, bytes: 1 }).unwrap()));
    assert!(matches!(
        try_write(&fixture, &space, vec![set("x", "12345")]),
        Err(CommitError::QuotaExceeded { resource: Resource::Bytes, .. })
    ));
    try_write(&fixture, &space, vec![set("x", "123")]).unwrap();
    try_write(&fixture, &space, vec![delete("y")]).unwrap();
    check_usage(&fixture);
}

#[test]
fn is_not_exceeded_by_many_commits_at_once() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 100, bytes: 1 << 20 }).unwrap();
    let written: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (fixture, space) = (&fixture, &space);
                scope.spawn(move || {
                    let write = |key| try_write(fixture, space, vec![set(&format!("{thread}-{key}"), "1")]);
                    (0..50).filter(|key| write(*key).is_ok()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(written, 100);
    check_usage(&fixture);
}

#[test]
fn what_is_counted_is_what_is_there_whatever_one_commit_does_to_a_key() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    for writes in [
        vec![set("x", "1"), set("x", "123"), delete("x"), set("x", "12")],
        vec![increment("n", 999), increment("n", 1), set_for("n", "1", 0), increment("n", 5)],
        vec![delete("x"), delete("x"), set("y", ""), delete("gone")],
        vec![set_for("y", "123", 5), increment("m", -5), delete("n")],
    ] {
        try_write(&fixture, &space, writes).unwrap();
        check_usage(&fixture);
    }
    fixture.commit(Commit { now_ms: 5, writes: vec![increment("y", 1)], ..empty(&space) }).unwrap();
    check_usage(&fixture);
}

#[test]
fn what_is_counted_is_what_is_there_also_where_the_commit_read_the_key() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "123"), set_for("late", "12345", 5), set("n", "99")]);
    let first = mark();
    let held = fixture.hold_writer();
    let submit = |now_ms, keys: &[&str], writes, mark| {
        let mut snapshot = fixture.snapshot(&space, now_ms);
        let mut reads = Vec::new();
        for key in keys {
            get_and_note(&mut snapshot, key, &mut reads);
        }
        let commit = Commit { snapshot: Some(snapshot.sequence()), now_ms, reads, writes, mark, ..empty(&space) };
        fixture.store.commit(commit).unwrap()
    };
    let writes = vec![set("x", "1"), set("x", "12345"), increment("n", 1), set("late", "1"), set("new", "1")];
    let reading = submit(5, &["x", "n", "late", "new"], writes, Some(first.clone()));
    let building = Commit {
        now_ms: 5,
        reads: vec![read("x", Seen::Written(first.clone())), read("new", Seen::Written(first))],
        writes: vec![set("x", "1234567"), delete("new")],
        ..empty(&space)
    };
    let building = fixture.store.commit(building).unwrap();
    let outdated = submit(5, &["x"], vec![set("x", "")], None);
    drop(held);
    reading.wait().unwrap();
    building.wait().unwrap();
    assert!(matches!(outdated.wait(), Err(CommitError::Conflict)));
    assert_eq!(fixture.value(&space, "x", 5).unwrap(), "1234567");
    check_usage(&fixture);
}
