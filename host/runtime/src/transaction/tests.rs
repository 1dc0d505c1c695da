//! A draft against a plain map, with many random operations.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    keyspace::{
        BoxFuture, CommitError, KeyWrite, NewEvent, Order, Outcome, Snapshot,
        double::{Broken, MemoryKeyspace, World},
    },
    transaction::{
        outbox::{EVENT_BYTES_MAX, EVENTS_MAX},
        reads::RANGES_MAX,
        recent::tests::Remembering,
        writes::WRITES_MAX,
    },
};

const BUDGET: usize = 64 << 20;
const BUCKETS: [&str; 2] = ["a", "b"];

/// A keyspace whose every snapshot shows one world.
struct Still(World);

impl Keyspace for Still {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        let snapshot: Box<dyn Snapshot> = Box::new(self.0.snapshot());
        Box::pin(async { Ok(snapshot) })
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

/// Numbers without a pattern that matters here (xorshift, Marsaglia 2003).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }

    /// A key of few, so that operations meet.
    fn key(&mut self) -> String {
        let prefix = self.one_of(&["", "x", "x/", "x/y", "é"]);
        format!("{prefix}{}", self.below(6))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Get(&'static str, String),
    GetMany(&'static str, Vec<String>),
    List(Listing),
    Set(&'static str, String, Vec<u8>, Option<u64>),
    Delete(&'static str, String),
    Increment(&'static str, String, i64),
}

/// What a step told the handler.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    NotAnInteger,
    Values(Vec<Option<Vec<u8>>>),
    Page(Vec<(String, Vec<u8>)>, bool),
}

fn random_step(random: &mut Random) -> Step {
    let bucket = random.one_of(&BUCKETS);
    match random.below(10) {
        0..2 => Step::Get(bucket, random.key()),
        2 => Step::GetMany(bucket, (0..random.below(5)).map(|_| random.key()).collect()),
        3..6 => Step::List(Listing {
            bucket: bucket.to_owned(),
            prefix: random.one_of(&["", "x", "x/", "x/y", "é", "nothing"]).to_owned(),
            after: (random.below(2) == 0).then(|| random.key()),
            limit: u32::try_from(random.below(6)).expect("small"),
            order: random.one_of(&[Order::Ascending, Order::Descending]),
        }),
        6..8 => {
            let value = random.below(100).to_string().into_bytes();
            Step::Set(bucket, random.key(), value, random.one_of(&[None, None, Some(0), Some(5)]))
        }
        8 => Step::Delete(bucket, random.key()),
        _ => Step::Increment(bucket, random.key(), 7),
    }
}

fn random_world(random: &mut Random) -> World {
    let mut world = World::default();
    for _ in 0..random.below(30) {
        random_change(random, &mut world);
    }
    world
}

fn random_change(random: &mut Random, world: &mut World) {
    let change = match random.below(4) {
        0 => Change::Delete,
        _ => Change::Set { value: random.below(100).to_string().into_bytes(), ttl_ms: None },
    };
    let write = KeyWrite { bucket: random.one_of(&BUCKETS).into(), key: random.key().into_bytes(), change };
    world.apply(&Transaction { writes: vec![write], ..Transaction::default() });
}

async fn take(draft: &mut Draft, keyspace: &dyn Keyspace, step: &Step) -> Told {
    let told = match step.clone() {
        Step::Get(bucket, key) => draft.get(keyspace, bucket, key).await.map(|value| Told::Values(vec![value])),
        Step::GetMany(bucket, keys) => draft.get_many(keyspace, bucket, keys).await.map(Told::Values),
        Step::List(listing) => draft.list(keyspace, &listing).await.map(|page| Told::Page(page.entries, page.more)),
        Step::Set(bucket, key, value, ttl) => {
            draft.set(bucket, key, value, ttl).map(|()| Told::Nothing).map_err(Stop::from)
        }
        Step::Delete(bucket, key) => draft.delete(bucket, key).map(|()| Told::Nothing).map_err(Stop::from),
        Step::Increment(bucket, key, by) => {
            draft.increment(bucket, key, by).map(|()| Told::Nothing).map_err(Stop::from)
        }
    };
    match told {
        Err(Stop::Refused(Error::NotAnInteger)) => Told::NotAnInteger,
        told => told.expect("nothing else is refused here"),
    }
}

/// The same on maps that simply hold what is there.
fn take_plainly(buckets: &mut BTreeMap<&str, BTreeMap<String, Vec<u8>>>, step: &Step) -> Told {
    let find = |bucket: &str, key: &String| buckets.get(bucket)?.get(key).cloned();
    match step.clone() {
        Step::Get(bucket, key) => Told::Values(vec![find(bucket, &key)]),
        Step::GetMany(bucket, keys) => Told::Values(keys.iter().map(|key| find(bucket, key)).collect()),
        Step::List(listing) => list_plainly(buckets.get(listing.bucket.as_str()), &listing),
        Step::Set(bucket, key, _, Some(0)) | Step::Delete(bucket, key) => {
            buckets.entry(bucket).or_default().remove(&key);
            Told::Nothing
        }
        Step::Set(bucket, key, value, _) => {
            buckets.entry(bucket).or_default().insert(key, value);
            Told::Nothing
        }
        Step::Increment(bucket, key, by) => {
            let sum = integer::add(find(bucket, &key).as_deref(), by).expect("all values are small integers");
            buckets.entry(bucket).or_default().insert(key, sum);
            Told::Nothing
        }
    }
}

fn list_plainly(bucket: Option<&BTreeMap<String, Vec<u8>>>, listing: &Listing) -> Told {
    let mut all: Vec<_> = bucket.into_iter().flatten().filter(|(key, _)| key.starts_with(&listing.prefix)).collect();
    if listing.order == Order::Descending {
        all.reverse();
    }
    all.retain(|(key, _)| match (&listing.after, listing.order) {
        (Some(after), Order::Ascending) => *key > after,
        (Some(after), Order::Descending) => *key < after,
        (None, _) => true,
    });
    let limit = usize::try_from(listing.limit).expect("small").max(1);
    let entries = all.iter().take(limit).map(|(key, value)| ((*key).clone(), (*value).clone())).collect();
    Told::Page(entries, all.len() > limit)
}

fn plain(world: &World) -> BTreeMap<&str, BTreeMap<String, Vec<u8>>> {
    let text = |key: &Vec<u8>| String::from_utf8(key.clone()).expect("a key");
    let rows =
        |rows: &BTreeMap<Vec<u8>, _>| rows.iter().map(|(key, row): (_, &Row)| (text(key), row.value.clone())).collect();
    world.buckets.iter().map(|(name, bucket)| (name.as_str(), rows(bucket))).collect()
}

fn draft(turns: Option<Arc<Turns>>) -> Draft {
    Draft::start(&Scope { mode: Mode::Write, turns, ..Scope::NONE }, &ByteBudget::new(BUDGET)).expect("a transaction")
}

async fn run(keyspace: &dyn Keyspace, steps: &[Step]) -> (Vec<Told>, Transaction) {
    let mut draft = draft(None);
    let mut told = Vec::new();
    for step in steps {
        told.push(take(&mut draft, keyspace, step).await);
    }
    (told, draft.into_transaction(true).transaction)
}

#[tokio::test]
async fn a_run_sees_what_a_plain_map_would_show_and_leaves_it_as_that() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..4_000 {
        let keyspace = Still(random_world(&mut random));
        let steps: Vec<_> = (0..random.below(40)).map(|_| random_step(&mut random)).collect();
        let mut expected = plain(&keyspace.0);
        let (told, transaction) = match round % 2 {
            0 => run(&keyspace, &steps).await,
            _ => run(&Remembering::one_in(2, &keyspace.0), &steps).await,
        };
        for (step, told) in steps.iter().zip(told) {
            assert_eq!(told, take_plainly(&mut expected, step), "{step:?} of {steps:?} on {:?}", keyspace.0);
        }
        assert!(keyspace.0.admits(&transaction));
        let mut after = keyspace.0.clone();
        after.apply(&transaction);
        expected.retain(|_, bucket| !bucket.is_empty());
        let mut after = plain(&after);
        after.retain(|_, bucket| !bucket.is_empty());
        assert_eq!(after, expected, "{steps:?} on {:?}", keyspace.0);
    }
}

fn event(topic: &str, bytes: usize) -> NewEvent {
    let (id, content_type, trace_parent) = (String::new(), String::new(), None);
    NewEvent { id, topic: topic.to_owned(), key: None, content_type, payload: vec![0; bytes], trace_parent }
}

#[tokio::test]
async fn what_is_undone_leaves_no_trace_but_what_was_read() {
    let mut random = Random(0x853c_49e6_748f_ea9b);
    for round in 0..2_000 {
        let keyspace = Still(random_world(&mut random));
        let steps: Vec<_> = (0..random.below(20)).map(|_| random_step(&mut random)).collect();
        let undone: Vec<_> = (0..random.below(20)).map(|_| random_step(&mut random)).collect();
        let budget = ByteBudget::new(BUDGET);
        let mut draft = Draft::start(&Scope { mode: Mode::Write, ..Scope::NONE }, &budget).expect("a transaction");
        let mut told = Vec::new();
        let halves = steps.split_at(steps.len() / 2);
        for half in [halves.0, halves.1] {
            draft.mark();
            for step in half {
                told.push(take(&mut draft, &keyspace, step).await);
            }
            draft.publish(vec![event("kept", 1)]).expect("fits");
        }
        draft.mark();
        for step in &undone {
            take(&mut draft, &keyspace, step).await;
        }
        draft.publish(vec![event("undone", 9), event("undone", 9)]).expect("fits");
        draft.undo();
        let transaction = draft.into_transaction(true).transaction;
        let (expected_told, expected) = run(&keyspace, &steps).await;
        assert_eq!((told, &transaction.writes), (expected_told, &expected.writes), "{round}: {steps:?} {undone:?}");
        assert_eq!(transaction.events, [event("kept", 1), event("kept", 1)]);
        assert!(transaction.reads.len() >= expected.reads.len() && keyspace.0.admits(&transaction));
        assert_eq!(budget.used(), 0);
    }
}

#[tokio::test]
async fn an_undo_without_a_mark_takes_back_everything() {
    let mut draft = draft(None);
    draft.set("a", "k".into(), vec![1], None).expect("fits");
    draft.publish(vec![event("a", 1)]).expect("fits");
    draft.undo();
    let transaction = draft.into_transaction(true).transaction;
    assert!(transaction.writes.is_empty() && transaction.events.is_empty());
}

#[tokio::test]
async fn a_transaction_publishes_no_more_than_it_may() {
    let publish = |draft: &mut Draft, count: usize, bytes: usize| {
        draft.publish((0..count).map(|_| event("t", bytes)).collect()).map_err(|error| format!("{error:?}"))
    };
    let mut many = draft(None);
    assert_eq!(publish(&mut many, EVENTS_MAX + 1, 0), Err("Error::TransactionTooLarge".to_owned()));
    assert_eq!(publish(&mut many, EVENTS_MAX, 0), Ok(()));
    assert_eq!(publish(&mut many, 1, 0), Err("Error::TransactionTooLarge".to_owned()));
    let mut long = draft(None);
    assert_eq!(publish(&mut long, 1, EVENT_BYTES_MAX), Err("Error::TransactionTooLarge".to_owned()));
    assert_eq!(publish(&mut long, 1, EVENT_BYTES_MAX - 1), Ok(()));
    assert_eq!(publish(&mut long, 1, 0), Err("Error::TransactionTooLarge".to_owned()));
    long.undo();
    assert_eq!(publish(&mut long, 1, 9), Ok(()));

    let scope = Scope { mode: Mode::Write, ..Scope::NONE };
    let mut poor = Draft::start(&scope, &ByteBudget::new(64 << 10)).expect("a transaction");
    assert_eq!(publish(&mut poor, 1, 100 << 10), Err("Error::Unavailable".to_owned()));
    assert!(poor.take_failure().is_some());
    let scope = Scope { mode: Mode::Read, ..Scope::NONE };
    let mut reading = Draft::start(&scope, &ByteBudget::new(BUDGET)).expect("a transaction");
    assert_eq!(publish(&mut reading, 1, 0), Err("Error::ReadOnly".to_owned()));
}

#[tokio::test]
async fn memory_for_what_can_be_undone_is_charged() {
    let budget = ByteBudget::new(1 << 20);
    let start = || {
        let scope = Scope { mode: Mode::Write, ..Scope::NONE };
        let mut draft = Draft::start(&scope, &budget).expect("a transaction");
        draft.set("a", "k".into(), vec![0; 700 << 10], None).expect("fits");
        draft.mark();
        draft
    };
    let beyond = start().set("a", "k".into(), vec![0; 700 << 10], None);
    assert!(matches!(beyond, Err(Error::Unavailable)), "the old value is kept beside the new one");
    let mut draft = start();
    draft.set("a", "k".into(), vec![0; 100 << 10], None).expect("fits");
    // It is remembered once, however often the key is written.
    (0..100).for_each(|_| draft.set("a", "k".into(), vec![0; 100 << 10], None).expect("fits"));
    draft.undo();
    assert_eq!(draft.into_transaction(true).transaction.writes.len(), 1);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn what_is_remembered_is_enough_to_know_that_another_run_would_see_the_same() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut admitted, mut refused) = (0, 0);
    for _ in 0..6_000 {
        let before = Still(random_world(&mut random));
        let steps: Vec<_> = (0..random.below(12)).map(|_| random_step(&mut random)).collect();
        let (told, transaction) = run(&before, &steps).await;
        let mut after = Still(before.0.clone());
        for _ in 0..=random.below(2) {
            random_change(&mut random, &mut after.0);
        }
        if after.0.admits(&transaction) {
            admitted += 1;
            assert_eq!(run(&after, &steps).await.0, told, "{steps:?} on {:?} and {:?}", before.0, after.0);
        } else {
            refused += 1;
        }
    }
    assert!(admitted > 1_000 && refused > 1_000, "{admitted} {refused}");
}

#[tokio::test]
async fn pages_are_whole_when_the_run_deletes_most_of_what_is_there() {
    let mut world = World::default();
    let key = |n: usize| format!("k{n:05}");
    let write = |n| KeyWrite {
        bucket: "a".into(),
        key: key(n).into_bytes(),
        change: Change::Set { value: vec![b'v'; 100], ttl_ms: None },
    };
    world.apply(&Transaction { writes: (0..9_000).map(write).collect(), ..Transaction::default() });
    let keyspace = Still(world);
    for order in [Order::Ascending, Order::Descending] {
        let mut draft = draft(None);
        (0..9_000).filter(|n| n % 1_000 != 500).for_each(|n| draft.delete("a", key(n)).expect("allowed"));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let listing = Listing { bucket: "a".into(), prefix: "k".into(), after, limit: 2, order };
            let page = draft.list(&keyspace, &listing).await.expect("lists");
            seen.extend(page.entries.into_iter().map(|(key, _)| key));
            if !page.more {
                break;
            }
            after = seen.last().cloned();
        }
        let mut expected: Vec<_> = (0..9).map(|n| key(n * 1_000 + 500)).collect();
        if order == Order::Descending {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_long_but_has_one_entry() {
    let keyspace = Still(World::default());
    let mut draft = draft(None);
    for key in ["a", "b", "c"] {
        draft.set("a", key.into(), vec![0; 700 << 10], None).expect("allowed");
    }
    let listing = |after: Option<&str>| Listing {
        bucket: "a".into(),
        prefix: String::new(),
        after: after.map(str::to_owned),
        limit: 1_000,
        order: Order::Ascending,
    };
    let first = draft.list(&keyspace, &listing(None)).await.expect("lists");
    assert_eq!((first.entries.len(), first.more), (1, true));
    let last = draft.list(&keyspace, &listing(Some("b"))).await.expect("lists");
    assert_eq!((last.entries.len(), last.more), (1, false));
}

#[tokio::test]
async fn refuses_what_is_beyond_a_bound_and_changes_nothing_then() {
    let keyspace = Still(World::default());
    let mut draft = draft(None);
    assert!(matches!(draft.set("A", "k".into(), vec![], None), Err(Error::InvalidBucket)));
    assert!(matches!(draft.set("a", String::new(), vec![], None), Err(Error::InvalidKey)));
    assert!(matches!(draft.set("a", "k".into(), vec![0; (1 << 20) + 1], None), Err(Error::ValueTooLarge)));
    for key in ["1", "2", "3"] {
        draft.set("a", key.into(), vec![0; 1 << 20], None).expect("fits");
    }
    assert!(matches!(draft.set("a", "4".into(), vec![0; 1 << 20], None), Err(Error::TransactionTooLarge)));
    let four = draft.get(&keyspace, "a", "4".into()).await.expect("reads");
    assert_eq!(four, None);
    // In place of a longer one, it fits again.
    draft.set("a", "1".into(), vec![], None).expect("shorter");
    draft.set("a", "4".into(), vec![0; 1 << 20], None).expect("fits now");
    for n in 0..WRITES_MAX - 4 {
        draft.delete("b", format!("{n}")).expect("fits");
    }
    assert!(matches!(draft.delete("b", "one more".into()), Err(Error::TransactionTooLarge)));
    draft.delete("b", "1".into()).expect("is there already");
    let keys = vec!["k".to_owned(); 101];
    assert!(matches!(draft.get_many(&keyspace, "a", keys).await, Err(Stop::Refused(Error::TransactionTooLarge))));
}

#[tokio::test]
async fn remembers_no_more_reads_than_it_may() {
    let keyspace = Still(World::default());
    let mut writing = draft(None);
    let listing = |n: usize| Listing {
        bucket: "a".into(),
        prefix: format!("{n}"),
        after: None,
        limit: 1,
        order: Order::Ascending,
    };
    for n in 0..RANGES_MAX {
        writing.list(&keyspace, &listing(n)).await.expect("remembered");
    }
    writing.list(&keyspace, &listing(0)).await.expect("is there already");
    let beyond = writing.list(&keyspace, &listing(RANGES_MAX)).await;
    assert!(matches!(beyond, Err(Stop::Refused(Error::TransactionTooLarge))));
    for n in 0..reads::KEYS_MAX {
        writing.get(&keyspace, "a", format!("{n}")).await.expect("remembered");
    }
    let beyond = writing.get(&keyspace, "a", "one more".into()).await;
    assert!(matches!(beyond, Err(Stop::Refused(Error::TransactionTooLarge))));

    let scope = Scope { mode: Mode::Read, ..Scope::NONE };
    let mut reading = Draft::start(&scope, &ByteBudget::new(0)).expect("a transaction");
    for n in 0..=reads::KEYS_MAX {
        reading.get(&keyspace, "a", format!("{n}")).await.expect("not remembered");
    }
    assert!(matches!(reading.set("a", "k".into(), vec![], None), Err(Error::ReadOnly)));
    assert!(reading.into_transaction(true).transaction.reads.is_empty());
    assert!(Draft::start(&Scope::NONE, &ByteBudget::new(0)).is_none());
}

#[tokio::test]
async fn all_transactions_share_one_budget_of_memory() {
    let budget = ByteBudget::new(1 << 20);
    let scope = Scope { mode: Mode::Write, ..Scope::NONE };
    let start = || Draft::start(&scope, &budget).expect("a transaction");
    let (mut first, mut second) = (start(), start());
    first.set("a", "k".into(), vec![0; 700 << 10], None).expect("fits");
    assert!(matches!(second.set("a", "k".into(), vec![0; 700 << 10], None), Err(Error::Unavailable)));
    // It is no transaction any more: its handler is told the same whatever it does.
    assert!(matches!(second.set("a", "k".into(), vec![], None), Err(Error::Unavailable)));
    assert!(second.take_failure().is_some());
    drop(first.into_transaction(true));
    let mut third = start();
    third.set("a", "k".into(), vec![0; 700 << 10], None).expect("fits now");
    drop((second, third));
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn why_there_is_no_page_is_remembered() {
    let set = |key: &str, value: &str| KeyWrite {
        bucket: "a".into(),
        key: key.as_bytes().to_vec(),
        change: Change::Set { value: value.as_bytes().to_vec(), ttl_ms: None },
    };
    let with = |writes| {
        let mut world = World::default();
        world.apply(&Transaction { writes, ..Transaction::default() });
        world
    };
    for order in [Order::Ascending, Order::Descending] {
        let world = with(vec![set("j", "1"), set("k", "text"), set("l", "1")]);
        let mut draft = draft(None);
        draft.increment("a", "k".into(), 1).expect("nothing is read");
        let listing = Listing { bucket: "a".into(), prefix: String::new(), after: None, limit: 9, order };
        let refused = draft.list(&Still(world.clone()), &listing).await;
        assert!(matches!(refused, Err(Stop::Refused(Error::NotAnInteger))));
        let transaction = draft.into_transaction(true).transaction;
        assert!(world.admits(&transaction), "nothing has changed");
        let mut changed = world.clone();
        changed.apply(&Transaction { writes: vec![set("k", "5")], ..Transaction::default() });
        assert!(!changed.admits(&transaction), "now there would be a page");
    }
}

/// A keyspace that has no reader for anybody.
struct Stuck;

impl Keyspace for Stuck {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        Box::pin(std::future::pending())
    }

    fn records_answer(&self) -> bool {
        false
    }

    fn new_event_id(&self) -> String {
        String::new()
    }

    fn commit(&self, _: Transaction, _: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_waited_for_no_longer_than_half_of_what_the_handler_has_left() {
    let (mut place, began) = (None, Instant::now());
    let scope = Scope { mode: Mode::Write, ..Scope::NONE };
    let deadline = began + Duration::from_secs(10);
    let draft = Draft::in_place(&mut place, &scope, &ByteBudget::new(BUDGET), deadline).expect("a transaction");
    assert!(matches!(draft.get(&Stuck, "a", "k".into()).await, Err(Stop::Refused(Error::Unavailable))));
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert!(draft.take_failure().is_some());
}

#[tokio::test]
async fn a_store_that_fails_poisons_the_transaction() {
    for broken in [Broken::Open, Broken::Read] {
        let mut keyspace = MemoryKeyspace::start(0);
        keyspace.broken = Some(broken);
        let mut draft = draft(None);
        draft.set("a", "k".into(), vec![], None).expect("nothing is read");
        assert!(matches!(draft.get(&keyspace, "a", "x".into()).await, Err(Stop::Refused(Error::Unavailable))));
        assert!(matches!(draft.get(&keyspace, "a", "k".into()).await, Err(Stop::Refused(Error::Unavailable))));
        assert!(matches!(draft.set("a", "k".into(), vec![], None), Err(Error::Unavailable)));
        assert!(draft.take_failure().is_some());
        assert_eq!(keyspace.open_snapshots.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn an_integer_of_its_own_is_shown_with_what_it_adds_to() {
    let mut world = World::default();
    let write = KeyWrite {
        bucket: "a".into(),
        key: b"text".to_vec(),
        change: Change::Set { value: b"x".to_vec(), ttl_ms: None },
    };
    world.apply(&Transaction { writes: vec![write], ..Transaction::default() });
    let keyspace = Still(world);
    let mut draft = draft(None);
    draft.increment("a", "text".into(), 1).expect("found by the commit");
    assert!(matches!(draft.get(&keyspace, "a", "text".into()).await, Err(Stop::Refused(Error::NotAnInteger))));
    draft.set("a", "mine".into(), b"y".to_vec(), None).expect("allowed");
    assert!(matches!(draft.increment("a", "mine".into(), 1), Err(Error::NotAnInteger)));
    draft.increment("a", "max".into(), i64::MAX).expect("fits");
    assert!(matches!(draft.increment("a", "max".into(), 1), Err(Error::NotAnInteger)));
}
