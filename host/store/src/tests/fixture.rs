//! A store in a folder of its own, and short words for what tests do with it.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc,
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    Change, Commit, CommitError, Committed, Health, KeyRange, KeyRead, KeyWrite, Mark, Order, Pending, Quota,
    RangeRead, Row, Seen, Snapshot, Space, Store, StoreError, StoreOptions, Synchronous,
};

/// The bucket of all keys.
pub(super) const BUCKET: &str = "b";

pub(super) struct Fixture {
    pub(super) store: Arc<Store>,
    pub(super) runtime: Runtime,
    pub(super) folder: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Opens a store that does not wait for the disk.
    pub(super) fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path().join("backplane.sqlite"));
        options.synchronous = Synchronous::Off;
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        Self { store: Store::open(options).unwrap(), runtime, folder }
    }

    /// Opens a store all of whose waiting jobs get into one batch.
    pub(super) fn with_long_batches() -> Self {
        Self::with(|options| options.switches.batch_time_max = Duration::from_secs(60))
    }

    pub(super) fn space(&self, plugin: &str) -> Arc<Space> {
        self.store.space(plugin, Quota::default()).unwrap()
    }

    pub(super) fn snapshot(&self, space: &Arc<Space>, now_ms: i64) -> Snapshot {
        self.runtime.block_on(self.store.snapshot(space, || now_ms)).unwrap()
    }

    pub(super) fn get(&self, space: &Arc<Space>, key: &str, now_ms: i64) -> Option<Row> {
        self.snapshot(space, now_ms).get(BUCKET, key.as_bytes()).unwrap()
    }

    pub(super) fn value(&self, space: &Arc<Space>, key: &str, now_ms: i64) -> Option<String> {
        self.get(space, key, now_ms).map(|row| String::from_utf8(row.value).unwrap())
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.store.commit(commit)?.wait()
    }

    /// Returns the newest sequence, which nobody is ahead of.
    pub(super) fn sequence(&self) -> i64 {
        self.store.recent_sequence().unwrap()
    }

    /// Writes without reading.
    pub(super) fn write(&self, space: &Arc<Space>, writes: Vec<KeyWrite>) -> Committed {
        self.commit(Commit { writes, ..empty(space) }).unwrap()
    }

    /// Keeps the writer from beginning a batch, until what this returns is dropped.
    pub(super) fn hold_writer(&self) -> Held {
        let (release, wait) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let job = self.store.write(move |_| {
            started.send(()).unwrap();
            let _ = wait.recv();
            Ok::<_, StoreError>(())
        });
        has_started.recv().unwrap();
        Held { _release: release, _job: job }
    }

    pub(super) fn is_failing(&self) -> bool {
        matches!(self.store.health(), Health::Failing { .. })
    }

    /// Opens another connection to the database, as another process would.
    pub(super) fn other_connection(&self) -> diesel::SqliteConnection {
        crate::connection::establish(self.store.path(), Duration::from_secs(5)).unwrap()
    }
}

/// The writer waits while this lives.
pub(super) struct Held {
    _release: mpsc::Sender<()>,
    _job: Pending<(), StoreError>,
}

/// A commit that reads and writes nothing, at time 0.
pub(super) fn empty(space: &Arc<Space>) -> Commit {
    Commit::new(Arc::clone(space), 0)
}

pub(super) fn set(key: &str, value: &str) -> KeyWrite {
    change(key, Change::Set { value: value.into(), ttl_ms: None })
}

pub(super) fn set_for(key: &str, value: &str, ttl_ms: u64) -> KeyWrite {
    change(key, Change::Set { value: value.into(), ttl_ms: Some(ttl_ms) })
}

pub(super) fn delete(key: &str) -> KeyWrite {
    change(key, Change::Delete)
}

pub(super) fn increment(key: &str, by: i64) -> KeyWrite {
    change(key, Change::Increment { by })
}

fn change(key: &str, change: Change) -> KeyWrite {
    KeyWrite { bucket: BUCKET.into(), key: key.into(), change }
}

pub(super) fn read(key: &str, seen: Seen) -> KeyRead {
    KeyRead { bucket: BUCKET.into(), key: key.into(), seen }
}

/// Reads a key as a handler does, and remembers it.
pub(super) fn get_and_note(snapshot: &mut Snapshot, key: &str, reads: &mut Vec<KeyRead>) -> Option<Row> {
    let row = snapshot.get(BUCKET, key.as_bytes()).unwrap();
    reads.push(read(key, seen(row.as_ref())));
    row
}

/// Returns what a handler remembers of a row that it found, or did not find.
pub(super) fn seen(row: Option<&Row>) -> Seen {
    row.map_or(Seen::Absent { after: None }, |row| Seen::Version { version: row.version, value_bytes: row.value.len() })
}

/// Lists a range as a handler does.
pub(super) fn list_and_note(snapshot: &mut Snapshot, range: KeyRange) -> (Vec<String>, RangeRead) {
    let rows = snapshot.list(BUCKET, &range, Order::Ascending, 1000, 1 << 20).unwrap();
    assert!(!rows.more);
    let newest = rows.rows.iter().map(|(_, row)| row.version).max().unwrap_or(0);
    let keys = rows.rows.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect::<Vec<_>>();
    (keys.clone(), RangeRead { bucket: BUCKET.into(), range, count: keys.len() as u64, newest })
}

/// `from <= key < to`.
pub(super) fn between(from: &str, to: &str) -> KeyRange {
    KeyRange { from: Bound::Included(from.into()), to: Bound::Excluded(to.into()) }
}

/// Tells threads to stop, however the test goes on: a scope waits for its threads also when the test has failed.
pub(super) struct StopOnDrop<'a>(pub(super) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) fn mark() -> Mark {
    Arc::new(AtomicI64::new(0))
}
