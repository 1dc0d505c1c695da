//! Instances of one generation that stand ready.
//!
//! In both modes an instance in here holds nothing of anybody's call: it is new, or [`Instance::end_call`] has
//! cleared it. The queue is lock-free; two callers never meet in one instance.

use std::{sync::Arc, time::Duration};

use crossbeam_queue::ArrayQueue;
use tokio::time::Instant;

use crate::{
    instance::Instance,
    permits::{Permit, Permits},
};

struct Ready {
    instance: Instance,
    since: Instant,
    /// The right to stand here, from all plugins' common stock.
    _idle: Permit,
}

/// A bounded stock of ready instances.
pub(crate) struct Pool {
    ready: ArrayQueue<Ready>,
    idle: Arc<Permits>,
}

impl Pool {
    /// Keeps at most `capacity` instances, as long as `idle` has permits.
    pub(crate) fn new(capacity: usize, idle: Arc<Permits>) -> Self {
        Self { ready: ArrayQueue::new(capacity.max(1)), idle }
    }

    pub(crate) fn take(&self) -> Option<Instance> {
        self.ready.pop().map(|ready| ready.instance)
    }

    /// Returns whether another instance would be kept.
    pub(crate) fn has_room(&self) -> bool {
        !self.ready.is_full()
    }

    /// Keeps `instance`, or drops it when there is no room.
    pub(crate) fn put(&self, instance: Instance) {
        if let Some(idle) = self.idle.try_acquire() {
            let _full = self.ready.push(Ready { instance, since: Instant::now(), _idle: idle });
        }
    }

    /// Drops the instances that have stood here for longer than `timeout`.
    pub(crate) fn sweep(&self, timeout: Duration) {
        for _ in 0..self.ready.len() {
            let Some(ready) = self.ready.pop() else { return };
            if ready.since.elapsed() < timeout {
                let _full = self.ready.push(ready);
            }
        }
    }

    pub(crate) fn clear(&self) {
        while self.ready.pop().is_some() {}
    }
}
