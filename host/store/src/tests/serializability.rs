//! Many threads run random transactions; whatever was committed must have an order in which it happened one after
//! another, and nothing of it may be lost.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use diesel::connection::SimpleConnection as _;

use super::{
    fixture::{BUCKET, Fixture, StopOnDrop, between, delete, empty, increment, mark, read, seen, set, set_for},
    history::{Event, Observed, Wrote, replay},
};
use crate::{
    Commit, CommitError, Committed, KeyRange, Mark, Order, Pending, RangeRead, Seen, Snapshot, Space, StoreError,
};

const THREADS: u64 = 6;
const ROUNDS: usize = 250;
const KEYS: u64 = 6;

/// A generator of numbers that look random (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % sides
    }

    fn key(&mut self) -> String {
        format!("k{}", self.roll(KEYS))
    }
}

/// What a run read and wrote, as the history is told.
struct Draft {
    now_ms: i64,
    keys: Vec<(String, Seen)>,
    ranges: Vec<Observed>,
    wrote: Vec<Wrote>,
    mark: Mark,
}

/// What the runs before in a chain wrote and is not decided: by whom, and until when it is there.
type Overlay = HashMap<String, (Mark, Option<i64>)>;

/// A key whose end this is was never there.
const GONE: Option<i64> = Some(i64::MIN);

/// What a run reads from: rows in memory, until it opens a snapshot.
#[derive(Default)]
struct View {
    snapshot: Option<Snapshot>,
    /// The sequence of what was read from memory.
    sequence: Option<i64>,
}

struct Worker<'a> {
    fixture: &'a Fixture,
    space: &'a Arc<Space>,
    clock: &'a AtomicI64,
    dice: Dice,
    outcome: Outcome,
}

/// What workers found.
#[derive(Default)]
struct Outcome {
    events: Vec<Event>,
    /// What was added to counters, and committed.
    sums: BTreeMap<String, i64>,
    conflicts: usize,
    failures: usize,
    from_memory: usize,
}

impl Worker<'_> {
    /// Runs a chain of transactions, each on what the ones before it wrote, all submitted before one is decided.
    fn round(&mut self) {
        let mut overlay = Overlay::new();
        let length = if self.dice.roll(4) == 0 { 3 } else { 1 };
        let mut chain: Vec<(Draft, Pending<Committed, CommitError>)> = Vec::new();
        for _ in 0..length {
            let (draft, commit) = self.run(&overlay);
            for wrote in &draft.wrote {
                match wrote {
                    Wrote::Set(key, end) => drop(overlay.insert(key.clone(), (draft.mark.clone(), *end))),
                    Wrote::Delete(key) => drop(overlay.insert(key.clone(), (draft.mark.clone(), GONE))),
                    Wrote::Increment(_) | Wrote::Collect => {}
                }
            }
            chain.push((draft, self.fixture.store.commit(commit).unwrap()));
        }
        let decided: Vec<_> = chain.into_iter().map(|(draft, pending)| (draft, pending.wait())).collect();
        for (draft, outcome) in decided {
            self.note(draft, outcome);
        }
        if self.dice.roll(20) == 0 {
            self.collect();
        }
    }

    fn collect(&mut self) {
        let now_ms = self.clock.load(Ordering::Relaxed);
        match self.fixture.store.collect(now_ms).wait() {
            Ok(collected) if collected.keys > 0 => {
                let wrote = vec![Wrote::Collect];
                self.outcome.events.push(Event { version: collected.version, now_ms, observed: vec![], wrote });
            }
            Ok(_) => {}
            Err(_) => self.outcome.failures += 1,
        }
    }

    fn run(&mut self, overlay: &Overlay) -> (Draft, Commit) {
        let now_ms = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut draft = Draft { now_ms, keys: vec![], ranges: vec![], wrote: vec![], mark: mark() };
        let mut commit = Commit { now_ms, mark: Some(draft.mark.clone()), ..empty(self.space) };
        let mut view = View::default();
        for _ in 0..self.dice.roll(3) {
            self.read_key(overlay, &mut view, &mut draft);
        }
        // A range is listed only when nothing is pending.
        if overlay.is_empty() && self.dice.roll(3) == 0 {
            let snapshot = self.open(&mut view, &mut draft);
            let (from, to) = (self.dice.key(), self.dice.key());
            let (observed, range) = list(snapshot, &from.clone().min(to.clone()), &from.max(to));
            draft.ranges.push(observed);
            commit.ranges.push(range);
        }
        for _ in 0..self.dice.roll(3) {
            self.write_key(&mut draft, &mut commit);
        }
        commit.snapshot = view.snapshot.map(|snapshot| snapshot.sequence()).or(view.sequence);
        commit.reads = draft.keys.iter().map(|(key, seen)| read(key, seen.clone())).collect();
        (draft, commit)
    }

    /// Opens the snapshot if it is not, and drops what was read from memory and is not what it shows.
    fn open<'v>(&self, view: &'v mut View, draft: &mut Draft) -> &'v mut Snapshot {
        view.snapshot.get_or_insert_with(|| {
            let mut snapshot = self.fixture.snapshot(self.space, draft.now_ms);
            draft.keys.retain(|(key, seen)| match seen {
                Seen::Version { version, .. } => {
                    snapshot.get(BUCKET, key.as_bytes()).unwrap().is_some_and(|row| row.version == *version)
                }
                Seen::Written(_) | Seen::Absent { .. } => true,
            });
            snapshot
        })
    }

    fn find_in_memory(&mut self, key: &str, view: &mut View, draft: &Draft) -> Option<Seen> {
        if view.snapshot.is_some() || self.dice.roll(4) == 0 {
            return None;
        }
        let store = &self.fixture.store;
        view.sequence = view.sequence.or_else(|| store.recent_sequence());
        let sequence = view.sequence?;
        let row = store.find_recent(self.space, BUCKET, key.as_bytes(), sequence, draft.now_ms)?;
        self.outcome.from_memory += 1;
        Some(seen(Some(&row)))
    }

    fn read_key(&mut self, overlay: &Overlay, view: &mut View, draft: &mut Draft) {
        let key = self.dice.key();
        let seen = match overlay.get(&key) {
            Some((mark, end)) if end.is_none_or(|end| end > draft.now_ms) => Seen::Written(mark.clone()),
            Some((mark, _)) => Seen::Absent { after: Some(mark.clone()) },
            None => match self.find_in_memory(&key, view, draft) {
                Some(seen) => seen,
                None => {
                    let row = self.open(view, draft).get(BUCKET, key.as_bytes()).unwrap();
                    seen(row.as_ref())
                }
            },
        };
        draft.keys.push((key, seen));
    }

    fn write_key(&mut self, draft: &mut Draft, commit: &mut Commit) {
        let key = self.dice.key();
        let (wrote, write) = match self.dice.roll(5) {
            0 => (Wrote::Delete(key.clone()), delete(&key)),
            1 => {
                let ttl_ms = 1 + self.dice.roll(40);
                let end = draft.now_ms.checked_add_unsigned(ttl_ms);
                (Wrote::Set(key.clone(), end), set_for(&key, "0", ttl_ms))
            }
            2 => {
                let counter = format!("c{}", self.dice.roll(2));
                (Wrote::Increment(counter.clone()), increment(&counter, 1))
            }
            _ => (Wrote::Set(key.clone(), None), set(&key, "0")),
        };
        draft.wrote.push(wrote);
        commit.writes.push(write);
    }

    fn note(&mut self, draft: Draft, outcome: Result<Committed, CommitError>) {
        let version = match outcome {
            Ok(committed) => committed.version,
            Err(CommitError::Conflict) => {
                self.outcome.conflicts += 1;
                return assert_eq!(draft.mark.load(Ordering::SeqCst), -1);
            }
            Err(CommitError::Unavailable(_)) => {
                self.outcome.failures += 1;
                return assert_eq!(draft.mark.load(Ordering::SeqCst), -1);
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(draft.mark.load(Ordering::SeqCst), version);
        for wrote in &draft.wrote {
            if let Wrote::Increment(key) = wrote {
                *self.outcome.sums.entry(key.clone()).or_default() += 1;
            }
        }
        let keys = draft.keys.into_iter().map(|(key, seen)| match seen {
            Seen::Version { version, .. } => Observed::Key(key, Some(version)),
            Seen::Written(mark) => Observed::Key(key, Some(mark.load(Ordering::SeqCst))),
            Seen::Absent { .. } => Observed::Key(key, None),
        });
        let observed = keys.chain(draft.ranges).collect();
        self.outcome.events.push(Event { version, now_ms: draft.now_ms, observed, wrote: draft.wrote });
    }
}

fn list(snapshot: &mut Snapshot, from: &str, to: &str) -> (Observed, RangeRead) {
    let range = between(from, to);
    let rows = snapshot.list(BUCKET, &range, Order::Descending, 1000, 1 << 20).unwrap().rows;
    let mut seen: Vec<_> =
        rows.iter().map(|(key, row)| (String::from_utf8(key.clone()).unwrap(), row.version)).collect();
    seen.reverse();
    let newest = seen.iter().map(|(_, version)| *version).max().unwrap_or(0);
    let read = RangeRead { bucket: BUCKET.into(), range, count: seen.len() as u64, newest };
    (Observed::Range(from.into(), to.into(), seen), read)
}

/// Runs all workers, and beside them what `trouble` does until they are done.
fn run_workers(fixture: &Fixture, seed: u64, trouble: impl FnMut() + Send) -> Outcome {
    let (space, clock) = (fixture.space("a"), AtomicI64::new(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = |thread| {
            let dice = Dice(seed * THREADS + thread + 1);
            let mut worker = Worker { fixture, space: &space, clock: &clock, dice, outcome: Outcome::default() };
            (0..ROUNDS).for_each(|_| worker.round());
            worker.outcome
        };
        let workers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        let mut trouble = trouble;
        let (done, stop) = (&done, StopOnDrop(&done));
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                trouble();
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        let mut all = Outcome::default();
        for worker in workers {
            let outcome = worker.join().unwrap();
            all.events.extend(outcome.events);
            outcome.sums.into_iter().for_each(|(key, sum)| *all.sums.entry(key).or_default() += sum);
            all.conflicts += outcome.conflicts;
            all.failures += outcome.failures;
            all.from_memory += outcome.from_memory;
        }
        drop(stop);
        all
    })
}

/// Checks that the history is serial, and that it and the database agree about the end.
fn check(fixture: &Fixture, outcome: Outcome) {
    let space = fixture.space("a");
    let now_ms = outcome.events.iter().map(|event| event.now_ms).max().unwrap() + 1;
    let mut expected = replay(outcome.events).unwrap();
    expected.retain(|_, held| held.1.is_none_or(|end| end > now_ms));
    let mut snapshot = fixture.snapshot(&space, now_ms);
    let found = snapshot.list(BUCKET, &KeyRange::all(), Order::Ascending, 1000, 1 << 20).unwrap().rows;
    let found: Vec<_> = found.iter().map(|(key, row)| (str::from_utf8(key).unwrap(), row.version)).collect();
    let expected: Vec<_> = expected.iter().map(|(key, held)| (key.as_str(), held.0)).collect();
    assert_eq!(found, expected);
    for (key, sum) in outcome.sums {
        assert_eq!(fixture.value(&space, &key, now_ms).unwrap(), sum.to_string());
    }
}

#[test]
fn random_transactions_are_serializable() {
    let fixture = Fixture::new();
    let outcome = run_workers(&fixture, 1, || {});
    assert!(outcome.conflicts > 0 && outcome.events.len() > ROUNDS, "nobody met anybody");
    assert!(outcome.from_memory > ROUNDS, "{} reads from memory", outcome.from_memory);
    check(&fixture, outcome);
}

#[test]
fn they_are_while_another_process_writes_and_batches_fail() {
    let fixture = Fixture::new();
    let mut other = fixture.other_connection();
    other.batch_execute("INSERT INTO counters VALUES ('other', 0)").unwrap();
    let mut turn = 0;
    let outcome = run_workers(&fixture, 2, || {
        turn += 1;
        if turn % 4 == 0 {
            // Commits come while the first one takes its time, and have their turn before the second one.
            let slow = fixture.store.write(|_| -> Result<(), StoreError> {
                std::thread::sleep(Duration::from_millis(1));
                Ok(())
            });
            let panics = fixture.store.write(|_| -> Result<(), StoreError> { panic!("a test's panic") });
            assert!(panics.wait().is_err());
            // It may have been alone in a batch, where this thread had to wait for a processor in between.
            let _ = slow.wait();
        } else {
            other.batch_execute("UPDATE counters SET value = value + 1 WHERE name = 'other'").unwrap();
        }
    });
    assert!(outcome.failures > 0, "no batch failed under anybody");
    check(&fixture, outcome);
}

#[test]
fn they_are_while_the_log_starts_anew_again_and_again() {
    // The writer stands still every 16 KiB.
    let fixture = Fixture::with(|options| options.log_bytes_max = 256 << 10);
    let mut longest = 0;
    let outcome = run_workers(&fixture, 4, || longest = longest.max(fixture.store.log_bytes()));
    assert!((1..512 << 10).contains(&longest), "{longest}");
    assert_eq!(outcome.failures, 0);
    check(&fixture, outcome);
}

#[test]
fn without_validation_the_history_is_found_not_to_be_serial() {
    let fixture = Fixture::with(|options| options.switches.trust_reads = true);
    let outcome = run_workers(&fixture, 3, || {});
    assert_eq!(outcome.conflicts, 0);
    assert!(replay(outcome.events).is_err());
}
