//! Replies that are kept with a commit.

use super::fixture::{Fixture, empty, set};
use crate::{Commit, CommitError, NewReply, Reply, ReplyKey};

#[test]
fn of_two_commits_with_one_key_the_first_is_written() {
    let fixture = Fixture::new();
    let space = fixture.space("a");
    let commit = |value: &str, now_ms| {
        let key = ReplyKey { principal: "p", route: "r", key: "k" };
        let reply = Reply { fingerprint: vec![1], status: 201, headers: vec![], body: value.into() };
        let reply = Some(NewReply::new(key, reply, now_ms + 10));
        fixture.store.commit(Commit { now_ms, reply, writes: vec![set("x", value)], ..empty(&space) }).unwrap()
    };
    let held = fixture.hold_writer();
    let (first, second) = (commit("1", 0), commit("2", 0));
    drop(held);
    assert!(first.wait().is_ok());
    assert!(matches!(second.wait(), Err(CommitError::ReplyExists)));
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "1");
    assert!(matches!(commit("3", 9).wait(), Err(CommitError::ReplyExists)));
    assert!(commit("4", 10).wait().is_ok());
    assert_eq!(fixture.value(&space, "x", 0).unwrap(), "4");
}
