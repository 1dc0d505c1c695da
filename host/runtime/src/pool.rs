//! Instances of one generation that stand ready.
//!
//! In both modes an instance in here holds nothing of anybody's call: it is new, or [`Instance::end_call`] has
//! cleared it. Everything here is lock-free; two callers never meet in one instance.
//!
//! Each thread has a place of its own for the instance that it put away last, whose memory is still in its
//! processor's cache. What does not fit there stands in a common queue. Who finds neither takes what another thread put
//! away: a new one would cost more, and stay beside it. An instance keeps its [`Seat`] while it is out for a call, so
//! that taking it and putting it back is one exchange of a pointer each.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::{CachePadded, atomic::AtomicCell};

use crate::{
    instance::Instance,
    permits::{Permit, Permits},
};

/// A place for one instance. A pointer, so that swapping it takes no lock.
type Place = CachePadded<AtomicCell<Option<Box<Instance>>>>;

/// The right to stand in a pool, given back when it is dropped.
pub(crate) struct Seat {
    /// The pool's.
    kept: Arc<AtomicUsize>,
    /// The sweep after which the instance was put away last.
    since: u32,
    /// From all plugins' common stock.
    _idle: Permit,
}

/// A bounded stock of ready instances.
pub(crate) struct Pool {
    own: Box<[Place]>,
    common: ArrayQueue<Box<Instance>>,
    /// Seats that are taken.
    kept: Arc<AtomicUsize>,
    capacity: usize,
    idle: Arc<Permits>,
    /// Counts the sweeps: a clock that costs a call nothing.
    sweeps: AtomicU32,
}

impl Pool {
    /// Keeps at most `capacity` instances, as long as `idle` has permits, for calls on about `threads` threads.
    pub(crate) fn new(capacity: usize, threads: usize, idle: Arc<Permits>) -> Self {
        let capacity = capacity.max(1);
        let own = (0..threads.max(1)).map(|_| Place::default()).collect();
        let common = ArrayQueue::new(capacity);
        Self { own, common, kept: Arc::default(), capacity, idle, sweeps: AtomicU32::new(0) }
    }

    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let own = self.own_place().and_then(|place| place.take());
        own.or_else(|| self.common.pop()).or_else(|| self.own.iter().find_map(|place| place.take()))
    }

    /// Returns whether another instance would be kept.
    pub(crate) fn has_room(&self) -> bool {
        self.kept.load(Ordering::Relaxed) < self.capacity
    }

    /// Keeps `instance`, or drops it when there is no room.
    pub(crate) fn put(&self, mut instance: Box<Instance>) {
        let Some(mut seat) = instance.seat.take().or_else(|| self.seat()) else { return };
        seat.since = self.sweeps.load(Ordering::Relaxed);
        instance.seat = Some(seat);
        let displaced = match self.own_place() {
            Some(place) => place.swap(Some(instance)),
            None => Some(instance),
        };
        if let Some(displaced) = displaced {
            self.keep_in_common(displaced);
        }
    }

    fn seat(&self) -> Option<Seat> {
        let idle = self.idle.try_acquire()?;
        let one_more = |kept: usize| (kept < self.capacity).then_some(kept + 1);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Seat { kept: Arc::clone(&self.kept), since: 0, _idle: idle })
    }

    /// Drops the instances that have stood here since before the last sweep.
    pub(crate) fn sweep(&self) {
        let last = self.sweeps.fetch_add(1, Ordering::Relaxed);
        self.retain(|seat| seat.since == last);
    }

    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    /// Looks at every instance once; what stays goes to the common queue.
    fn retain(&self, stays: impl Fn(&Seat) -> bool) {
        let common: Vec<_> = std::iter::from_fn(|| self.common.pop()).take(self.capacity).collect();
        for instance in self.own.iter().filter_map(|place| place.take()).chain(common) {
            if instance.seat.as_ref().is_some_and(&stays) {
                self.keep_in_common(instance);
            }
        }
    }

    fn keep_in_common(&self, instance: Box<Instance>) {
        // Everything here has a seat, so the queue has room.
        drop(self.common.push(instance));
    }

    fn own_place(&self) -> Option<&AtomicCell<Option<Box<Instance>>>> {
        self.own.get(thread_number() % self.own.len()).map(|place| &**place)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.kept.fetch_sub(1, Ordering::Relaxed);
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
