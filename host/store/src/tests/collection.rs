//! Deleting what expired.

use super::fixture::{Fixture, empty, set, set_for};
use crate::{
    Commit, CommitError, KeyWrite, NewReply, Quota, Reply, ReplyKey, StoreError,
    identity::audit::{self, AuditQuery, NewEntry},
};

/// Returns the keys, the replies, and whether there is more.
fn collect(fixture: &Fixture, now_ms: i64) -> (usize, usize, bool) {
    let collected = fixture.store.collect(now_ms).wait().unwrap();
    (collected.keys, collected.replies, collected.more)
}

#[test]
fn deletes_what_is_over_and_nothing_else() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, vec![set_for("x", "1", 10), set_for("y", "1", 11), set("z", "1")]);
    assert_eq!(collect(&fixture, 9), (0, 0, false));
    assert_eq!(collect(&fixture, 10), (1, 0, false));
    assert!(fixture.get(&space, "x", 5).is_none());
    assert!(fixture.get(&space, "y", 5).is_some());
    assert!(fixture.get(&space, "z", 5).is_some());
}

#[test]
fn goes_in_steps_of_rows_and_of_bytes() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let keys = |count: u32, value: &str| -> Vec<KeyWrite> {
        (0..count).map(|key| set_for(&key.to_string(), value, 10)).collect()
    };
    fixture.write(&space, keys(700, ""));
    assert_eq!(collect(&fixture, 10), (500, 0, true));
    assert_eq!(collect(&fixture, 10), (200, 0, false));
    fixture.write(&space, keys(7, &"v".repeat(1 << 20)));
    assert_eq!(collect(&fixture, 10), (4, 0, true));
    assert_eq!(collect(&fixture, 10), (3, 0, false));
}

#[test]
fn gives_back_what_it_counted() {
    let fixture = Fixture::new();
    let space = fixture.store.space("a", Quota { keys: 1, bytes: 100 }).unwrap();
    let reply = Reply { fingerprint: vec![], status: 200, headers: vec![], body: vec![0; 50] };
    let key = ReplyKey { principal: "", route: "", key: "" };
    let reply = Some(NewReply::new(key, reply, 10));
    fixture.commit(Commit { reply, writes: vec![set_for("x", "1", 10)], ..empty(&space) }).unwrap();
    let next = || {
        let writes = vec![set("y", &"v".repeat(95))];
        fixture.commit(Commit { now_ms: 10, writes, ..empty(&space) })
    };
    assert!(matches!(next(), Err(CommitError::QuotaExceeded { .. })));
    assert_eq!(collect(&fixture, 10), (1, 1, false));
    next().unwrap();
}

#[test]
fn what_is_over_of_identity_goes_in_the_same_steps() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    fixture.write(&space, (0..300).map(|key| set_for(&key.to_string(), "", 10)).collect());
    let add = |connection: &mut crate::Connection| -> Result<(), StoreError> {
        (0..600).try_for_each(|_| audit::append(connection, NewEntry::default()))
    };
    fixture.store.write(add).wait().unwrap();
    let ninety_days = 90 * 24 * 3_600_000;
    let steps: Vec<_> = (0..3)
        .map(|_| fixture.store.collect(ninety_days).wait().unwrap())
        .map(|collected| (collected.keys, collected.identity, collected.more))
        .collect();
    assert_eq!(steps, [(300, 200, true), (0, 400, false), (0, 0, false)]);
    let query = AuditQuery { limit: 10, ..AuditQuery::default() };
    assert_eq!(fixture.store.read(|connection| audit::list(connection, &query)).unwrap(), []);
}
