//! The connections that snapshots read from: a bounded number, each lent to one snapshot at a time.
//!
//! - A space has at most three quarters of them, so that one plugin's slow calls leave some to the others.
//! - Who waits for one is served in the order of coming.
//! - A connection that failed, or that the writer took away, is not put back; the next borrower opens another in its
//!   place.
//!
//! Borrowing takes no lock where nobody has to wait. Each thread has a place for the connection that it put back last,
//! whose pages are still in its processor's cache.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::{CachePadded, atomic::AtomicCell};
use diesel::{prelude::*, result::ConnectionResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    connection::open_reader, error::SnapshotError, open_snapshots::OpenSnapshots, read_connection::ReadConnection,
    space::Space,
};

/// Threads that have a place of their own.
const PLACES: usize = 16;

/// The readers of a store.
pub(crate) struct Readers {
    path: PathBuf,
    count: usize,
    permits: Arc<Semaphore>,
    snapshots: Arc<OpenSnapshots>,
    own: [CachePadded<AtomicCell<Option<Arc<ReadConnection>>>>; PLACES],
    common: ArrayQueue<Arc<ReadConnection>>,
}

impl Readers {
    /// Opens all `count` of them.
    pub(crate) fn open(path: PathBuf, count: usize, snapshots: Arc<OpenSnapshots>) -> ConnectionResult<Arc<Self>> {
        let count = count.max(1);
        let common = ArrayQueue::new(count);
        for _ in 0..count {
            // A new queue of this capacity has room for them.
            let _ = common.push(snapshots.watch(open_reader(&path)?));
        }
        let own = std::array::from_fn(|_| CachePadded::default());
        Ok(Arc::new(Self { path, count, permits: Arc::new(Semaphore::new(count)), snapshots, own, common }))
    }

    /// Returns how many of them a space may have.
    pub(crate) fn share(&self) -> usize {
        (self.count * 3 / 4).max(1)
    }

    /// Borrows one for `space`, waiting for it.
    pub(crate) async fn borrow(self: &Arc<Self>, space: &Space) -> ConnectionResult<Reader> {
        let share = acquire(&space.readers).await;
        let permit = acquire(&self.permits).await;
        let connection = match self.take() {
            Some(connection) => connection,
            None => self.snapshots.watch(open_reader(&self.path)?),
        };
        connection.note_open(self.snapshots.now());
        Ok(Reader { connection, readers: Arc::clone(self), _permit: permit, _share: share })
    }

    fn take(&self) -> Option<Arc<ReadConnection>> {
        let own = self.own_place().and_then(AtomicCell::take);
        own.or_else(|| self.common.pop()).or_else(|| self.own.iter().find_map(|place| place.take()))
    }

    fn put(&self, connection: Arc<ReadConnection>) {
        let displaced = match self.own_place() {
            Some(place) => place.swap(Some(connection)),
            None => Some(connection),
        };
        if let Some(connection) = displaced {
            // There are never more than `count`; one too many would be closed here.
            let _ = self.common.push(connection);
        }
    }

    fn own_place(&self) -> Option<&AtomicCell<Option<Arc<ReadConnection>>>> {
        self.own.get(thread_number() % PLACES).map(|place| &**place)
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(semaphore).try_acquire_owned() {
        return Some(permit);
    }
    // It fails only when the semaphore is closed, which nobody does.
    Arc::clone(semaphore).acquire_owned().await.ok()
}

/// Returns a number of the calling thread's own. Numbers count up from 0 in the order of first use.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// A borrowed reader. It goes back when this is dropped.
pub(crate) struct Reader {
    connection: Arc<ReadConnection>,
    readers: Arc<Readers>,
    // After the connection: who gets the permit finds it back.
    _permit: Option<OwnedSemaphorePermit>,
    _share: Option<OwnedSemaphorePermit>,
}

impl Reader {
    /// Runs a query. After one that failed there are no more.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, SnapshotError> {
        self.connection.read(query)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.connection.note_end() {
            self.readers.put(Arc::clone(&self.connection));
        }
    }
}
