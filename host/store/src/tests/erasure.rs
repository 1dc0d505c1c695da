//! Deleting all that a plugin keeps while it runs.

use super::fixture::{Fixture, empty, get_and_note, set};
use crate::{Commit, CommitError, Deleted, KeyWrite, NewReply, Quota, Reply, ReplyKey};

#[test]
fn deletes_one_plugins_keys_and_replies_and_gives_back_what_they_counted() {
    let fixture = Fixture::new();
    let a = fixture.store.space("a", Quota { keys: 800, bytes: 100_000 }).unwrap();
    let b = fixture.space("b");
    let keys = || -> Vec<KeyWrite> { (0..800).map(|key| set(&format!("{key:03}"), "v")).collect() };
    let key = ReplyKey { principal: "", route: "", key: "" };
    let reply = Reply { fingerprint: vec![], status: 200, headers: vec![], body: vec![0; 50] };
    let reply = Some(NewReply::new(key, reply, 10));
    fixture.commit(Commit { writes: keys(), reply, ..empty(&a) }).unwrap();
    fixture.write(&b, vec![set("x", "1")]);
    let full = fixture.commit(Commit { writes: vec![set("one-more", "")], ..empty(&a) });
    assert!(matches!(full, Err(CommitError::QuotaExceeded { .. })));

    let steps = [fixture.store.delete_step("a").wait().unwrap(), fixture.store.delete_step("a").wait().unwrap()];
    assert_eq!(steps.map(|step| (step.keys, step.replies, step.more)), [(500, 0, true), (300, 1, false)]);
    let usage = fixture.store.usage("a").unwrap().unwrap();
    assert_eq!((usage.keys, usage.replies, usage.bytes), (0, 0, 0));
    assert_eq!(fixture.get(&a, "000", 0), None);
    assert!(fixture.snapshot(&a, 0).find_reply(key).unwrap().is_none());
    assert!(fixture.get(&b, "x", 0).is_some());
    fixture.write(&a, keys());
    assert_eq!(fixture.store.usage("a").unwrap().unwrap().keys, 800);
}

#[test]
fn a_call_that_read_what_is_deleted_conflicts_and_a_later_one_does_not() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set("x", "1")]);
    let attempt = |between: &dyn Fn()| {
        let mut snapshot = fixture.snapshot(&space, 0);
        let mut reads = Vec::new();
        get_and_note(&mut snapshot, "x", &mut reads);
        between();
        let writes = vec![set("y", "1")];
        fixture.commit(Commit { snapshot: Some(snapshot.sequence()), reads, writes, ..empty(&space) })
    };
    let delete = || assert!(!fixture.store.delete_step("a").wait().unwrap().more);
    let conflict = attempt(&delete);
    assert!(matches!(conflict, Err(CommitError::Conflict)), "{conflict:?}");
    attempt(&|| {}).unwrap();
    // What was absent before is still absent after.
    attempt(&delete).unwrap();
}

#[test]
fn deletes_nothing_of_a_plugin_that_nobody_knows() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.delete_step("nobody").wait().unwrap(), Deleted::default());
    assert_eq!(fixture.store.usage("nobody").unwrap(), None);
}
