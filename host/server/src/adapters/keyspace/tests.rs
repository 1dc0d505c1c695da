//! The port over a real store: what is committed, what is refused, and what is kept.

use std::sync::atomic::AtomicI64;

use backplane_runtime::keyspace::{Change, KeyRead, KeyWrite, Seen};
use backplane_store::StoreOptions;
use tempfile::TempDir;

use super::*;

const QUOTA: Quota = Quota { keys: 3, bytes: 4096 };

fn opened() -> (TempDir, Arc<PluginState>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(StoreOptions::new(folder.path().join("backplane.sqlite"))).expect("a new store");
    let plugin = PluginName::new("orders").expect("a plugin's name");
    let state = PluginState::new(store, plugin, QUOTA, Clock::SYSTEM, Duration::from_secs(60));
    (folder, Arc::new(state))
}

async fn open() -> (TempDir, Arc<PluginState>) {
    let (folder, state) = opened();
    let opening = Arc::clone(&state);
    let opened = tokio::task::spawn_blocking(move || opening.open()).await.expect("no panic");
    opened.expect("the store can be written");
    (folder, state)
}

fn set(key: &str, value: &str) -> KeyWrite {
    let change = Change::Set { value: value.into(), ttl_ms: None };
    KeyWrite { bucket: "b".into(), key: key.into(), change }
}

fn writing(writes: impl IntoIterator<Item = KeyWrite>) -> Transaction {
    Transaction { writes: writes.into_iter().collect(), ..Transaction::default() }
}

fn answer(body: &str) -> Response {
    Response { status: 201, headers: vec![("x-a".into(), "b".into())], body: body.into() }
}

fn record(fingerprint: u8) -> ReplyRecord {
    let (principal, route, key) = (String::new(), "POST /".into(), "k".into());
    ReplyRecord { principal, route, key, fingerprint: [fingerprint; 32] }
}

async fn read(state: &PluginState, key: &str) -> Option<Row> {
    let mut snapshot = state.snapshot().await.expect("the store can be read");
    snapshot.get("b", key.as_bytes()).expect("the store can be read")
}

#[tokio::test]
async fn what_is_committed_is_read() {
    let (_folder, state) = open().await;
    let answer = answer("");
    let writes = [set("a", "1"), set("b", "2")];
    state.commit(writing(writes), Outcome::Answer(&answer)).await.expect("committed");
    assert_eq!(read(&state, "a").await.map(|row| row.value), Some(b"1".to_vec()));
    let mut snapshot = state.snapshot().await.expect("the store can be read");
    let all = KeyRange { from: std::ops::Bound::Unbounded, to: std::ops::Bound::Unbounded };
    let rows = snapshot.list("b", &all, Order::Descending, 1, 1000).expect("the store can be read");
    assert_eq!((rows.rows.len(), rows.rows[0].0.as_slice(), rows.more), (1, &b"b"[..], true));
}

#[tokio::test]
async fn a_stale_read_is_a_conflict() {
    let (_folder, state) = open().await;
    state.commit(writing([set("a", "1")]), Outcome::Nothing).await.expect("committed");
    let mut snapshot = state.snapshot().await.expect("the store can be read");
    let seen = snapshot.get("b", b"a").expect("the store can be read").expect("it is there");
    let seen = Seen::Version { version: seen.version, value_bytes: seen.value.len() };
    let reads = vec![KeyRead { bucket: "b".into(), key: b"a".to_vec(), seen }];
    let transaction = |value| Transaction {
        snapshot: Some(snapshot.sequence()),
        now_ms: Some(snapshot.now_ms()),
        reads: reads.clone(),
        ..writing([set("a", value)])
    };
    state.commit(transaction("2"), Outcome::Nothing).await.expect("committed");
    let refused = state.commit(transaction("3"), Outcome::Nothing).await;
    assert!(matches!(refused, Err(CommitError::Conflict)), "{refused:?}");
    assert_eq!(read(&state, "a").await.map(|row| row.value), Some(b"2".to_vec()));
}

#[tokio::test]
async fn nothing_is_written_for_an_answer_that_cannot_be_sent() {
    let (_folder, state) = open().await;
    let mark = Arc::new(AtomicI64::new(0));
    let transaction = Transaction { mark: Some(Arc::clone(&mark)), ..writing([set("a", "1")]) };
    let refused = state.commit(transaction, Outcome::Answer(&Response { status: 42, ..answer("") })).await;
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    assert_eq!(mark.load(Ordering::Acquire), REFUSED);
    assert_eq!(read(&state, "a").await, None);
}

#[tokio::test]
async fn the_first_answer_under_a_key_is_kept_and_the_second_writes_nothing() {
    let (_folder, state) = open().await;
    let recorded = |fingerprint| Recorded { state: Arc::clone(&state), record: record(fingerprint) };
    assert!(recorded(1).records_answer() && !state.records_answer());
    assert_eq!(state.find_reply(&record(1)).await.expect("read"), None);
    recorded(1).commit(writing([set("a", "1")]), Outcome::Answer(&answer("one"))).await.expect("committed");
    let refused = recorded(2).commit(writing([set("a", "2")]), Outcome::Answer(&answer("two"))).await;
    assert!(matches!(refused, Err(CommitError::Replayed)), "{refused:?}");
    let kept = state.find_reply(&record(2)).await.expect("read").expect("kept");
    let expected = Reply {
        fingerprint: vec![1; 32],
        status: 201,
        headers: vec![("x-a".into(), "b".into())],
        body: b"one".to_vec(),
    };
    assert_eq!(kept, expected);
    assert_eq!(read(&state, "a").await.map(|row| row.value), Some(b"1".to_vec()));
}

#[tokio::test]
async fn refusals_keep_their_meaning() {
    let (_folder, state) = open().await;
    let four = ["a", "b", "c", "d"].map(|key| set(key, "text"));
    let refused = state.commit(writing(four), Outcome::Nothing).await;
    assert!(matches!(refused, Err(CommitError::QuotaExceeded { resource: "keys", max: 3 })), "{refused:?}");
    let refused = state.commit(writing([set("a", &"x".repeat(5000))]), Outcome::Nothing).await;
    assert!(matches!(refused, Err(CommitError::QuotaExceeded { resource: "bytes", max: 4096 })), "{refused:?}");
    state.commit(writing([set("a", "text")]), Outcome::Nothing).await.expect("committed");
    let increment = KeyWrite { change: Change::Increment { by: 1 }, ..set("a", "") };
    let refused = state.commit(writing([increment]), Outcome::Nothing).await;
    assert!(
        matches!(&refused, Err(CommitError::NotAnInteger { bucket, key }) if bucket == "b" && key == "a"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_state_that_is_not_open_is_unavailable() {
    let (_folder, state) = opened();
    assert!(state.snapshot().await.is_err() && state.find_reply(&record(1)).await.is_err());
    let refused = state.commit(writing([set("a", "1")]), Outcome::Nothing).await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
}
