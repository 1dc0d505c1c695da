//! Runs that read from memory, and what becomes of them when they need a snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    super::{Draft, Listing, Scope, Stop},
    *,
};
use crate::{
    byte_budget::ByteBudget,
    keyspace::{
        BoxFuture, Change, CommitError, KeyWrite, Order, Outcome, Seen, Transaction,
        double::{NOW_MS, World},
    },
    manifest::Transaction as Mode,
};

/// A keyspace that has some of its rows in memory.
pub(in super::super) struct Remembering {
    memory: World,
    /// Of the versions in memory, those that this divides.
    every: i64,
    /// What a snapshot shows.
    now: World,
    snapshots: AtomicUsize,
}

impl Remembering {
    /// Makes one that has one row in `every` in memory.
    pub(in super::super) fn one_in(every: i64, world: &World) -> Self {
        Self { memory: world.clone(), every, now: world.clone(), snapshots: AtomicUsize::new(0) }
    }

    fn all(world: &World) -> Self {
        Self::one_in(1, world)
    }
}

impl Keyspace for Remembering {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        let snapshot: Box<dyn Snapshot> = Box::new(self.now.snapshot());
        Box::pin(async { Ok(snapshot) })
    }

    fn moment(&self) -> Option<Moment> {
        Some(Moment { sequence: self.memory.sequence, now_ms: NOW_MS })
    }

    fn find_recent(&self, _: Moment, bucket: &str, key: &[u8]) -> Option<Row> {
        let row = self.memory.buckets.get(bucket)?.get(key)?;
        (row.version % self.every == 0).then(|| row.clone())
    }

    fn records_answer(&self) -> bool {
        false
    }

    fn new_event_id(&self) -> String {
        String::new()
    }

    fn commit(&self, _: Transaction, _: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        Box::pin(async { Ok(()) })
    }
}

fn put(world: &mut World, key: &str, value: &str) {
    let change = Change::Set { value: value.into(), ttl_ms: None };
    let write = KeyWrite { bucket: "a".into(), key: key.into(), change };
    world.apply(&Transaction { writes: vec![write], ..Transaction::default() });
}

/// A world with `x` and `y`.
fn world() -> World {
    let mut world = World::default();
    put(&mut world, "x", "1");
    put(&mut world, "y", "1");
    world
}

fn start(scope: &Scope) -> Draft {
    Draft::start(scope, &ByteBudget::new(1 << 20)).expect("a transaction")
}

const WRITE: Scope = Scope { mode: Mode::Write, ..Scope::NONE };

async fn get(draft: &mut Draft, keyspace: &Remembering, key: &str) -> Option<String> {
    let value = draft.get(keyspace, "a", key.to_owned()).await.expect("it can be read");
    value.map(|value| String::from_utf8(value).expect("text"))
}

#[tokio::test]
async fn a_run_that_finds_all_in_memory_opens_no_snapshot() {
    let keyspace = Remembering::all(&world());
    let mut draft = start(&WRITE);
    assert_eq!(get(&mut draft, &keyspace, "x").await.as_deref(), Some("1"));
    draft.increment("a", "y".into(), 1).expect("an integer");
    assert_eq!(get(&mut draft, &keyspace, "y").await.as_deref(), Some("2"), "its own write is added");
    assert_eq!(keyspace.snapshots.load(Ordering::Relaxed), 0);
    let transaction = draft.into_transaction(true).transaction;
    assert_eq!((transaction.snapshot, transaction.now_ms), (Some(2), Some(NOW_MS)));
    let versions = transaction.reads.iter().map(|read| match read.seen {
        Seen::Version { version, value_bytes: 1 } => version,
        ref other => panic!("{other:?}"),
    });
    assert_eq!(versions.collect::<Vec<_>>(), [1, 2]);
    assert!(keyspace.now.admits(&transaction));
}

#[tokio::test]
async fn a_run_that_needs_a_snapshot_goes_on_if_that_shows_the_same() {
    let mut keyspace = Remembering::all(&world());
    put(&mut keyspace.now, "z", "1");
    let mut draft = start(&WRITE);
    get(&mut draft, &keyspace, "x").await;
    assert_eq!(get(&mut draft, &keyspace, "z").await.as_deref(), Some("1"));
    assert_eq!(get(&mut draft, &keyspace, "x").await.as_deref(), Some("1"));
    assert_eq!(keyspace.snapshots.load(Ordering::Relaxed), 1);
    let transaction = draft.into_transaction(true).transaction;
    assert_eq!((transaction.snapshot, transaction.reads.len()), (Some(3), 2));
    assert!(keyspace.now.admits(&transaction));
}

#[tokio::test]
async fn a_run_starts_anew_if_the_snapshot_shows_something_else() {
    for mode in [Mode::Write, Mode::Read] {
        let mut keyspace = Remembering::all(&world());
        put(&mut keyspace.now, "x", "2");
        let scope = Scope { mode, ..Scope::NONE };
        let mut draft = start(&scope);
        assert_eq!(get(&mut draft, &keyspace, "x").await.as_deref(), Some("1"));
        let listing =
            Listing { bucket: "a".into(), prefix: String::new(), after: None, limit: 10, order: Order::Ascending };
        assert!(matches!(draft.list(&keyspace, &listing).await, Err(Stop::Restart)));
        assert!(draft.must_restart() && draft.is_void());

        let mut again = start(&Scope { needs_snapshot: true, ..scope });
        assert_eq!(get(&mut again, &keyspace, "x").await.as_deref(), Some("2"));
    }
}

#[tokio::test]
async fn what_was_found_and_not_shown_need_not_stay_so() {
    let mut keyspace = Remembering::all(&world());
    put(&mut keyspace.now, "x", "2");
    let mut draft = start(&WRITE);
    let values = draft.get_many(&keyspace, "a", vec!["x".into(), "absent".into()]).await.expect("they can be read");
    assert_eq!(values, [Some(b"2".to_vec()), None]);
    assert!(!draft.must_restart());
}

#[tokio::test]
async fn a_run_in_a_turn_reads_from_a_snapshot() {
    let keyspace = Remembering::all(&world());
    let mut draft = start(&Scope { turns: Some(crate::turns::Turns::new()), ..WRITE });
    get(&mut draft, &keyspace, "x").await;
    assert_eq!(keyspace.snapshots.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn no_more_than_so_many_rows_are_taken_from_memory() {
    let mut world = World::default();
    (0..=ROWS_MAX).for_each(|n| put(&mut world, &n.to_string(), "1"));
    let keyspace = Remembering::all(&world);
    let mut draft = start(&WRITE);
    for n in 0..=ROWS_MAX {
        assert_eq!(keyspace.snapshots.load(Ordering::Relaxed), 0, "{n}");
        get(&mut draft, &keyspace, &n.to_string()).await;
    }
    assert_eq!(keyspace.snapshots.load(Ordering::Relaxed), 1);
}
