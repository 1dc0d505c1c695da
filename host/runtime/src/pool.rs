//! Instances of one generation that stand ready.
//!
//! In both modes an instance in here holds nothing of anybody's call: it is new, or [`Instance::end_call`] has
//! cleared it. Everything here is lock-free; two callers never meet in one instance.
//!
//! Each thread has a place of its own for the instance that it put away last, whose memory is still in its
//! processor's cache. What does not fit there stands in a common queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::{CachePadded, atomic::AtomicCell};
use tokio::time::Instant;

use crate::{
    instance::Instance,
    permits::{Permit, Permits},
};

/// A place for one instance. A pointer, so that swapping it takes no lock.
type Place = CachePadded<AtomicCell<Option<Box<Ready>>>>;

struct Ready {
    instance: Instance,
    since: Instant,
    /// The right to stand here, from all plugins' common stock.
    _idle: Permit,
}

/// A bounded stock of ready instances.
pub(crate) struct Pool {
    own: Box<[Place]>,
    common: ArrayQueue<Box<Ready>>,
    /// Instances in `own` and `common` together.
    kept: AtomicUsize,
    capacity: usize,
    idle: Arc<Permits>,
}

impl Pool {
    /// Keeps at most `capacity` instances, as long as `idle` has permits, for calls on about `threads` threads.
    pub(crate) fn new(capacity: usize, threads: usize, idle: Arc<Permits>) -> Self {
        let capacity = capacity.max(1);
        let own = (0..threads.max(1)).map(|_| Place::default()).collect();
        Self { own, common: ArrayQueue::new(capacity), kept: AtomicUsize::new(0), capacity, idle }
    }

    pub(crate) fn take(&self) -> Option<Instance> {
        let ready = self.own_place().and_then(AtomicCell::take).or_else(|| self.common.pop())?;
        self.kept.fetch_sub(1, Ordering::Relaxed);
        Some(ready.instance)
    }

    /// Returns whether another instance would be kept.
    pub(crate) fn has_room(&self) -> bool {
        self.kept.load(Ordering::Relaxed) < self.capacity
    }

    /// Keeps `instance`, or drops it when there is no room.
    pub(crate) fn put(&self, instance: Instance) {
        let Some(idle) = self.idle.try_acquire() else { return };
        if self.kept.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            self.kept.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let ready = Box::new(Ready { instance, since: Instant::now(), _idle: idle });
        let displaced = match self.own_place() {
            Some(place) => place.swap(Some(ready)),
            None => Some(ready),
        };
        if let Some(displaced) = displaced {
            self.keep_in_common(displaced);
        }
    }

    /// Drops the instances that have stood here for longer than `timeout`.
    pub(crate) fn sweep(&self, timeout: Duration) {
        self.retain(|ready| ready.since.elapsed() < timeout);
    }

    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    /// Looks at every instance once; what stays goes to the common queue.
    fn retain(&self, stays: impl Fn(&Ready) -> bool) {
        let common: Vec<_> = std::iter::from_fn(|| self.common.pop()).take(self.capacity).collect();
        for ready in self.own.iter().filter_map(|place| place.take()).chain(common) {
            if stays(&ready) {
                self.keep_in_common(ready);
            } else {
                self.kept.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn keep_in_common(&self, ready: Box<Ready>) {
        // `kept` bounds both together, so the queue has room.
        if self.common.push(ready).is_err() {
            self.kept.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn own_place(&self) -> Option<&AtomicCell<Option<Box<Ready>>>> {
        self.own.get(thread_number() % self.own.len()).map(|place| &**place)
    }
}

/// Returns a number of the calling thread's own. Numbers count up from 0 in the order of first use.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
