//! What jobs of one batch share, and how lanes take turns.

use std::sync::{Arc, Mutex};

use diesel::{connection::SimpleConnection as _, prelude::*};

use super::fixture::{Fixture, empty, set};
use crate::{Change, Commit, CommitError, Committed, KeyWrite, Pending, StoreError, schema::counters};

#[test]
fn versions_grow_in_the_order_of_commits_of_a_space() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let submit = |value: u32| {
        let writes = vec![set("x", &value.to_string())];
        fixture.store.commit(Commit { writes, ..empty(&space) }).unwrap()
    };
    let pending: Vec<_> = (0..400).map(submit).collect();
    drop(held);
    let versions: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "399");
    assert_eq!(fixture.get(&space, "x", 0).unwrap().version, *versions.last().unwrap());
}

#[test]
fn a_plugin_with_large_commits_takes_no_more_than_one_with_small_ones() {
    let values = |count: usize, bytes: usize| (0..count).map(|key| set(&key.to_string(), &"1".repeat(bytes))).collect();
    takes_no_more(&|| values(32, 1));
    takes_no_more(&|| values(1, 32 * 4096));
}

/// Seventeen commits of one key each come for each of the `large` ones, which cost 33 to 35.
fn takes_no_more(large_writes: &dyn Fn() -> Vec<KeyWrite>) {
    let fixture = Fixture::new();
    let (large, small) = (fixture.space("large"), fixture.space("small"));
    let held = fixture.hold_writer();
    let submit = |space, writes| fixture.store.commit(Commit { writes, ..empty(space) }).unwrap();
    let larges: Vec<_> = (0..40).map(|_| submit(&large, large_writes())).collect();
    let smalls: Vec<_> = (0..160).map(|_| submit(&small, vec![set("x", "1")])).collect();
    drop(held);
    let versions = |all: Vec<Pending<Committed, CommitError>>| -> Vec<i64> {
        all.into_iter().map(|pending| pending.wait().unwrap().version).collect()
    };
    let (larges, smalls) = (versions(larges), versions(smalls));
    let before = |last: i64| larges.iter().filter(|version| **version < last).count();
    for (index, small) in smalls.iter().enumerate() {
        let (larges, turns) = (before(*small), index / 17 + 1);
        assert!(larges.abs_diff(turns) <= 1, "{larges} large ones before the small one {index}");
    }
}

#[test]
fn a_plugin_with_many_commits_does_not_keep_another_waiting() {
    let fixture = Fixture::new();
    let (busy, quiet) = (fixture.space("busy"), fixture.space("quiet"));
    let order = Arc::new(Mutex::new(Vec::new()));
    let held = fixture.hold_writer();
    let submit = |space| {
        let pending = fixture.store.commit(Commit { writes: vec![set("x", "1")], ..empty(space) }).unwrap();
        let order = Arc::clone(&order);
        let plugin = space.plugin().to_owned();
        fixture.runtime.spawn(async move {
            let version = pending.await.unwrap().version;
            order.lock().unwrap().push((version, plugin));
        })
    };
    let mut waiting: Vec<_> = (0..300).map(|_| submit(&busy)).collect();
    waiting.push(submit(&quiet));
    // A job of the host waits no longer either.
    let host = fixture
        .store
        .write(|connection| Ok::<_, StoreError>(counters::table.select(counters::value).first::<i64>(connection)?));
    drop(held);
    fixture.runtime.block_on(async {
        for waiting in waiting {
            waiting.await.unwrap();
        }
    });
    let mut order = order.lock().unwrap().clone();
    order.sort();
    let place = order.iter().position(|(_, plugin)| plugin == "quiet").unwrap();
    assert_eq!(place, 1, "after one of the busy plugin's, not after all of them");
    host.wait().unwrap();
}

#[test]
fn a_job_that_panics_takes_its_batch_with_it_and_nothing_more() {
    let fixture = Fixture::with_long_batches();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "before")]);
    let held = fixture.hold_writer();
    let submit = |key: &str| fixture.store.commit(Commit { writes: vec![set(key, "1")], ..empty(&space) }).unwrap();
    let first = submit("first");
    let panics = fixture.store.write(|connection| -> Result<(), StoreError> {
        connection.batch_execute("INSERT INTO counters VALUES ('half', 1)")?;
        panic!("a test's panic");
    });
    drop(held);
    let told = panics.wait().unwrap_err();
    assert!(matches!(&told, StoreError::Unavailable(source) if source.to_string().contains("a test's panic")));
    assert!(matches!(first.wait(), Err(CommitError::Unavailable(_))));
    assert_eq!(fixture.get(&space, "first", 0), None);
    let half = fixture.store.read(|connection| {
        let half = counters::table.filter(counters::name.eq("half")).count().get_result::<i64>(connection)?;
        Ok::<_, StoreError>(half)
    });
    assert_eq!(half.unwrap(), 0);
    // The next batch has another connection.
    submit("later").wait().unwrap();
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "before");
    assert_eq!(fixture.value(&space, "later", 0).unwrap(), "1");
}

#[test]
fn a_write_of_the_host_that_fails_undoes_itself_alone() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    let insert = |name: &'static str, keep: bool| {
        fixture.store.write(move |connection| {
            diesel::insert_into(counters::table)
                .values((counters::name.eq(name), counters::value.eq(1)))
                .execute(connection)?;
            if keep { Ok(()) } else { Err(StoreError::Unknown) }
        })
    };
    let (kept, undone, wrong) = (
        insert("kept", true),
        insert("undone", false),
        fixture.store.write(|connection| Ok::<_, StoreError>(connection.batch_execute("no statement")?)),
    );
    let commit = fixture.store.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }).unwrap();
    let nested = fixture.store.write(|connection| {
        let inner: Result<(), diesel::result::Error> = connection.transaction(|connection| {
            connection.batch_execute("INSERT INTO counters VALUES ('inner', 1)")?;
            Err(diesel::result::Error::RollbackTransaction)
        });
        assert!(inner.is_err());
        Ok::<_, StoreError>(connection.batch_execute("INSERT INTO counters VALUES ('outer', 1)")?)
    });
    drop(held);
    assert!(kept.wait().is_ok());
    assert!(matches!(undone.wait(), Err(StoreError::Unknown)));
    assert!(matches!(wrong.wait(), Err(StoreError::Unavailable(_))));
    assert!(nested.wait().is_ok());
    assert!(commit.wait().is_ok());
    let names = fixture.store.read(|connection| {
        Ok::<_, StoreError>(counters::table.select(counters::name).order(counters::name).load::<String>(connection)?)
    });
    assert_eq!(names.unwrap(), ["kept", "outer", "sequence"]);
}

#[test]
fn a_dropped_answer_changes_nothing() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let held = fixture.hold_writer();
    drop(fixture.store.commit(Commit { writes: vec![set("x", "1")], ..empty(&space) }).unwrap());
    drop(held);
    fixture.write(&space, vec![]);
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "1");
}

#[test]
fn what_is_too_much_for_the_queue_is_refused_at_once() {
    let fixture = Fixture::with(|options| {
        options.queue_commits_max = 8;
        options.queue_bytes_max = 100_000;
    });
    let spaces = ["a", "b", "c"].map(|plugin| fixture.space(plugin));
    let held = fixture.hold_writer();
    let submit = |plugin: usize, bytes: usize| {
        let change = Change::Set { value: vec![0; bytes], ttl_ms: None };
        let writes = vec![KeyWrite { bucket: "b".into(), key: b"x".to_vec(), change }];
        fixture.store.commit(Commit { writes, ..empty(&spaces[plugin]) })
    };
    let refused = |outcome| matches!(outcome, Err(CommitError::Busy));
    let mut waiting = Vec::new();
    assert!(refused(submit(0, 50_000)), "more than half of the bytes");
    for _ in 0..4 {
        waiting.push(submit(0, 10).unwrap());
    }
    assert!(refused(submit(0, 10)), "more than half of the commits");
    waiting.push(submit(1, 45_000).unwrap());
    waiting.push(submit(2, 45_000).unwrap());
    assert!(refused(submit(1, 10_000)), "more than all of the bytes");
    waiting.push(submit(1, 10).unwrap());
    waiting.push(submit(2, 10).unwrap());
    assert!(refused(submit(2, 10)), "more than all of the commits");
    assert_eq!(fixture.store.commits_waiting(), 8);
    drop(held);
    for pending in waiting {
        pending.wait().unwrap();
    }
    // An answer may come a moment before its place is free.
    fixture.write(&spaces[0], vec![]);
    assert!(submit(0, 10).is_ok());
}

#[test]
fn too_many_writes_of_the_host_are_refused() {
    let fixture = Fixture::new();
    let held = fixture.hold_writer();
    let submit = || fixture.store.write(|_| Ok::<_, StoreError>(()));
    let mut waiting: Vec<_> = (1..crate::options::HOST_WRITES_MAX).map(|_| submit()).collect();
    assert!(matches!(submit().wait(), Err(StoreError::Busy)));
    assert!(matches!(fixture.store.collect(0).wait(), Err(StoreError::Busy)));
    drop(held);
    waiting.drain(..).for_each(|pending| pending.wait().unwrap());
}
