//! Tests of turns: who goes first, what the next one sees, and that nothing stays behind.

use std::{ops::Bound, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::keyspace::{Change, KeyRange, KeyWrite};

fn writes<const N: usize>(changes: [(&str, Change); N]) -> Transaction {
    let write = |(key, change): (&str, Change)| KeyWrite { bucket: "b".into(), key: key.as_bytes().to_vec(), change };
    Transaction { writes: changes.map(write).into(), now_ms: Some(1_000), ..Transaction::default() }
}

fn set(value: &str) -> Change {
    Change::Set { value: value.as_bytes().to_vec(), ttl_ms: None }
}

/// What is pending under a key, with `_` for what only the commit can tell.
fn shown(turns: &Turns, key: &str) -> Option<String> {
    turns.pending().find("b", key.as_bytes()).map(|write| match &write.change {
        PendingChange::Set { value, expires_at_ms } => {
            let end = expires_at_ms.map_or(String::new(), |end| format!(" until {end}"));
            format!("{}{end}", String::from_utf8_lossy(value))
        }
        PendingChange::Delete => "nothing".to_owned(),
        PendingChange::Unclear => "_".to_owned(),
    })
}

#[tokio::test]
async fn turns_come_in_the_order_of_asking_and_one_at_a_time() {
    let turns = Turns::new();
    let first = turns.take().await.expect("room");
    let (said, mut heard) = tokio::sync::mpsc::channel(8);
    for n in 0..5 {
        let (turns, said) = (Arc::clone(&turns), said.clone());
        tokio::spawn(async move {
            let turn = turns.take().await.expect("room");
            said.send(n).await.expect("heard");
            tokio::task::yield_now().await;
            drop(turn);
        });
        tokio::task::yield_now().await;
    }
    assert!(heard.try_recv().is_err());
    drop(first);
    for n in 0..5 {
        assert_eq!(heard.recv().await, Some(n));
    }
    drop(turns.take().await);
    assert!(turns.is_at_rest());
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing_behind() {
    let turns = Turns::new();
    let held = turns.take().await.expect("room");
    assert!(timeout(Duration::from_millis(1), turns.take()).await.is_err());
    drop(held);
    assert!(turns.is_at_rest());
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let turns = Turns::new();
    let held = turns.take().await.expect("room");
    let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(turns.take())).collect();
    for one in &mut waiting {
        assert!(poll_once(one.as_mut()).is_none());
    }
    assert!(turns.take().await.is_none());
    drop(waiting.pop());
    let mut next = Box::pin(turns.take());
    assert!(poll_once(next.as_mut()).is_none());
    drop((held, next, waiting));
    assert!(turns.is_at_rest());
}

/// Polls once.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn of_two_pending_writes_the_later_one_shows() {
    let turns = Turns::new();
    let turn = turns.take().await.expect("room");
    let ttl = Change::Set { value: b"t".to_vec(), ttl_ms: Some(5) };
    let (mut one, mut two) = (writes([("k", set("1")), ("t", ttl)]), writes([("k", Change::Delete)]));
    let first = turn.hand_over(&mut one);
    assert_eq!(shown(&turns, "k").as_deref(), Some("1"));
    assert_eq!(shown(&turns, "t").as_deref(), Some("t until 1005"));
    let second = turn.hand_over(&mut two);
    assert_eq!(shown(&turns, "k").as_deref(), Some("nothing"));
    let seen = turns.pending();
    drop(first);
    assert_eq!((shown(&turns, "k").as_deref(), shown(&turns, "t")), (Some("nothing"), None));
    assert!(seen.find("b", b"t").is_some(), "what a run has in hand does not change");
    drop((second, turn));
    assert!(turns.is_at_rest());
}

#[tokio::test]
async fn tells_what_only_a_commit_can_tell() {
    let turns = Turns::new();
    let turn = turns.take().await.expect("room");
    let ttl = Change::Set { value: b"t".to_vec(), ttl_ms: Some(5) };
    let mut transaction = writes([("n", Change::Increment { by: 1 }), ("t", ttl), ("k", set("1"))]);
    transaction.now_ms = None;
    let commit = turn.hand_over(&mut transaction);
    let pending = turns.pending();
    assert!(pending.is_unclear("b", b"n") && pending.is_unclear("b", b"t") && !pending.is_unclear("b", b"k"));
    let range = |from: &str, to: &str| KeyRange {
        from: Bound::Excluded(from.as_bytes().to_vec()),
        to: Bound::Excluded(to.as_bytes().to_vec()),
    };
    assert!(pending.touches("b", &range("k", "o")) && !pending.touches("b", &range("n", "t")));
    assert!(!pending.touches("a", &range("k", "o")));
    drop(commit);
}

#[tokio::test]
async fn a_turn_alone_waits_for_what_is_on_its_way_and_keeps_out_what_comes() {
    let turns = Turns::new();
    let commit = turns.try_hand_over().expect("nobody is alone");
    let mut turn = turns.take().await.expect("room");
    let mut alone = Box::pin(turn.be_alone());
    assert!(poll_once(alone.as_mut()).is_none());
    assert!(turns.try_hand_over().is_none());
    drop(commit);
    timeout(Duration::from_secs(5), alone).await.expect("nothing is on its way");
    assert!(turns.try_hand_over().is_none());
    drop(turn);
    drop(turns.try_hand_over().expect("nobody is alone any more"));
    assert!(turns.is_at_rest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_handed_over_while_a_turn_is_alone() {
    let turns = Turns::new();
    let inside = Arc::new(AtomicUsize::new(0));
    let free = (0..4).map(|_| {
        let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
        tokio::spawn(async move {
            for _ in 0..2_000 {
                if let Some(commit) = turns.try_hand_over() {
                    inside.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(commit);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let free: Vec<_> = free.collect();
    for _ in 0..500 {
        let mut turn = turns.take().await.expect("room");
        turn.be_alone().await;
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(turn);
        tokio::task::yield_now().await;
    }
    for task in free {
        task.await.expect("no panic");
    }
    assert!(turns.is_at_rest());
}
