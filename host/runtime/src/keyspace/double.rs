//! A keyspace in memory that validates as the port asks, and fails when it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeBounds as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{
    BoxFuture, Change, CommitError, Handled, KeyRange, Keyspace, NewEvent, Order, Outcome, Ran, Row, Rows, Seen,
    Snapshot, StateUnavailable, Transaction,
};

/// The time of every call.
pub(crate) const NOW_MS: i64 = 1_000_000;

type Bucket = BTreeMap<Vec<u8>, Row>;

/// Rows by bucket and key, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Events that were published.
    pub(crate) events: Vec<NewEvent>,
    /// What was committed besides: the events and runs of schedules that were dealt with.
    pub(crate) dealt_with: Vec<String>,
    pub(crate) sequence: i64,
}

/// A transaction, and what to note when it is committed.
type Handed = (Transaction, Option<String>, oneshot::Sender<Result<(), CommitError>>);
type Answers = Arc<Mutex<VecDeque<CommitError>>>;

/// The double.
pub(crate) struct MemoryKeyspace {
    world: Arc<Mutex<World>>,
    commits: mpsc::Sender<Handed>,
    /// What the next commits answer, in place of what they should.
    answers: Answers,
    /// How many more commits are decided; the others wait.
    pub(crate) gate: Arc<Semaphore>,
    /// How many more snapshots are opened; the others wait.
    pub(crate) readers: Arc<Semaphore>,
    /// Commits that were handed over.
    handed_over: watch::Sender<usize>,
    /// Snapshots that are open.
    pub(crate) open_snapshots: Arc<AtomicUsize>,
    /// Whether every snapshot fails, and how: not opened, or not read.
    pub(crate) broken: Option<Broken>,
    pub(crate) records_answer: bool,
    /// Ids that were handed out.
    event_ids: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Open,
    Read,
}

pub(crate) struct MemorySnapshot {
    pub(crate) world: World,
    open: Arc<AtomicUsize>,
    is_broken: bool,
}

impl MemoryKeyspace {
    /// Starts one that decides `decisions` commits, and leaves the others waiting until its gate is opened further.
    pub(crate) fn start(decisions: usize) -> Self {
        let (commits, handed) = mpsc::channel(4096);
        let (world, gate, answers) = (Arc::default(), Arc::new(Semaphore::new(decisions)), Arc::default());
        tokio::spawn(write(handed, Arc::clone(&world), Arc::clone(&gate), Arc::clone(&answers)));
        Self {
            world,
            commits,
            answers,
            gate,
            readers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            handed_over: watch::Sender::new(0),
            open_snapshots: Arc::default(),
            broken: None,
            records_answer: false,
            event_ids: AtomicUsize::new(0),
        }
    }

    pub(crate) fn will_answer(&self, answers: impl IntoIterator<Item = CommitError>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
    }

    pub(crate) fn value(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        Some(world.buckets.get(bucket)?.get(key.as_bytes())?.value.clone())
    }

    /// Returns what was committed besides keys, in its order.
    pub(crate) fn dealt_with(&self) -> Vec<String> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).dealt_with.clone()
    }

    /// Returns what was published, in its order.
    pub(crate) fn published(&self) -> Vec<NewEvent> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).events.clone()
    }

    pub(crate) fn handed_over(&self) -> usize {
        *self.handed_over.borrow()
    }

    /// Waits until `count` commits were handed over.
    pub(crate) async fn wait_for_commits(&self, count: usize) {
        let mut handed_over = self.handed_over.subscribe();
        handed_over.wait_for(|commits| *commits >= count).await.expect("the double lives");
    }
}

impl World {
    pub(crate) fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot { world: self.clone(), open: Arc::new(AtomicUsize::new(1)), is_broken: false }
    }

    fn find(&self, bucket: &str, key: &[u8]) -> Option<&Row> {
        self.buckets.get(bucket)?.get(key)
    }

    fn range<'a>(
        &'a self,
        bucket: &str,
        range: &'a KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, &'a Row)> {
        let bounds = (range.from.clone(), range.to.clone());
        self.buckets.get(bucket).into_iter().flatten().filter(move |(key, _)| bounds.contains(*key))
    }

    /// Returns whether everything that was read still stands there.
    pub(crate) fn admits(&self, transaction: &Transaction) -> bool {
        let version = |bucket: &str, key: &[u8]| self.find(bucket, key).map(|row| row.version);
        let decided = |mark: &AtomicI64| mark.load(Ordering::SeqCst);
        let reads = transaction.reads.iter().all(|read| match (&read.seen, version(&read.bucket, &read.key)) {
            (Seen::Absent { after: None }, found) => found.is_none(),
            (Seen::Absent { after: Some(mark) }, found) => found.is_none() && decided(mark) > 0,
            (Seen::Version { version, .. }, found) => found == Some(*version),
            (Seen::Written(mark), found) => decided(mark) > 0 && found == Some(decided(mark)),
        });
        reads
            && transaction.ranges.iter().all(|read| {
                let rows: Vec<_> = self.range(&read.bucket, &read.range).map(|(_, row)| row.version).collect();
                let newest = rows.iter().copied().max().unwrap_or(0);
                rows.len() as u64 == read.count && newest == read.newest
            })
    }

    pub(crate) fn apply(&mut self, transaction: &Transaction) {
        self.sequence += 1;
        for write in &transaction.writes {
            let bucket = self.buckets.entry(write.bucket.to_string()).or_default();
            let value = match &write.change {
                Change::Set { value, .. } => value.clone(),
                Change::Delete => {
                    bucket.remove(&write.key);
                    continue;
                }
                Change::Increment { by } => {
                    let before = bucket.get(&write.key).map_or("0".into(), |row| String::from_utf8_lossy(&row.value));
                    (before.parse::<i64>().expect("an integer") + by).to_string().into_bytes()
                }
            };
            bucket.insert(write.key.clone(), Row { value, version: self.sequence });
        }
    }
}

impl Keyspace for MemoryKeyspace {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        Box::pin(async {
            if self.broken == Some(Broken::Open) {
                return Err(StateUnavailable("no reader".into()));
            }
            self.readers.acquire().await.expect("never closed").forget();
            self.open_snapshots.fetch_add(1, Ordering::SeqCst);
            let world = self.world.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let open = Arc::clone(&self.open_snapshots);
            let snapshot: Box<dyn Snapshot> =
                Box::new(MemorySnapshot { world, open, is_broken: self.broken.is_some() });
            Ok(snapshot)
        })
    }

    fn records_answer(&self) -> bool {
        self.records_answer
    }

    fn new_event_id(&self) -> String {
        format!("event-{}", self.event_ids.fetch_add(1, Ordering::SeqCst))
    }

    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        let (decide, decided) = oneshot::channel();
        let note = match outcome {
            Outcome::Nothing | Outcome::Answer(_) => None,
            Outcome::Handled(Handled { count, failure, .. }) => {
                let failed = failure.as_ref().map(|failure| format!(", then {}", failure.problem.code));
                Some(format!("{count} handled{}", failed.unwrap_or_default()))
            }
            Outcome::Ran(Ran { problem: None, .. }) => Some("ran".to_owned()),
            Outcome::Ran(Ran { problem: Some(problem), .. }) => Some(format!("ran: {}", problem.code)),
        };
        let sent = self.commits.try_send((transaction, note, decide));
        self.handed_over.send_modify(|commits| *commits += 1);
        Box::pin(async move {
            match sent {
                Ok(()) => decided.await.unwrap_or(Err(CommitError::Unknown)),
                Err(_) => Err(CommitError::Busy),
            }
        })
    }
}

/// Decides commits one after another, in the order in which they were handed over.
async fn write(mut commits: mpsc::Receiver<Handed>, world: Arc<Mutex<World>>, gate: Arc<Semaphore>, answers: Answers) {
    while let Some((transaction, note, decide)) = commits.recv().await {
        gate.acquire().await.expect("never closed").forget();
        let told = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match told {
            Some(error) => Err(error),
            None if !world.admits(&transaction) => Err(CommitError::Conflict),
            None => {
                world.apply(&transaction);
                world.events.extend(transaction.events.iter().cloned());
                world.dealt_with.extend(note);
                Ok(())
            }
        };
        if let Some(mark) = &transaction.mark {
            mark.store(if result.is_ok() { world.sequence } else { -1 }, Ordering::SeqCst);
        }
        let _abandoned = decide.send(result);
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Snapshot for MemorySnapshot {
    fn sequence(&self) -> i64 {
        self.world.sequence
    }

    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Row>, StateUnavailable> {
        if self.is_broken {
            return Err(StateUnavailable("broken".into()));
        }
        Ok(self.world.find(bucket, key).cloned())
    }

    fn list(
        &mut self,
        bucket: &str,
        range: &KeyRange,
        order: Order,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Rows, StateUnavailable> {
        if self.is_broken {
            return Err(StateUnavailable("broken".into()));
        }
        let mut all: Vec<_> = self.world.range(bucket, range).map(|(key, row)| (key.clone(), row.clone())).collect();
        if order == Order::Descending {
            all.reverse();
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (key, row) in all {
            bytes += key.len() + row.value.len();
            if rows.len() == rows_max || !rows.is_empty() && bytes > bytes_max {
                return Ok(Rows { rows, more: true });
            }
            rows.push((key, row));
        }
        Ok(Rows { rows, more: false })
    }
}
