//! A counted right to run, taken and given back without a lock.
//!
//! While permits are free, taking one is a compare-and-swap. Only a caller that finds none joins a queue, and
//! waits there for as long as its caller lets it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// A fixed number of permits.
#[derive(Debug)]
pub(crate) struct Permits {
    free: AtomicUsize,
    total: usize,
    /// Callers that wait, or are about to.
    waiting: AtomicUsize,
    returned: Notify,
}

/// One permit, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Permits>);

impl Permits {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(total), total, waiting: AtomicUsize::new(0), returned: Notify::new() })
    }

    /// Returns how many permits are taken.
    pub(crate) fn taken(&self) -> usize {
        self.total.saturating_sub(self.free.load(Ordering::Relaxed))
    }

    /// Takes a permit when one is free.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).ok().map(|_| Permit(Arc::clone(self)))
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and loses no permit.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Permit {
        let _waiting = Waiting::enter(&self.waiting);
        loop {
            let returned = self.returned.notified();
            tokio::pin!(returned);
            // In the queue before the second look: a permit that comes back in between wakes this caller.
            returned.as_mut().enable();
            if let Some(permit) = self.try_acquire() {
                return permit;
            }
            returned.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // `SeqCst` here, in `Waiting` and in `try_acquire`: a waiter says so and then looks for a permit, this side
        // returns the permit and then looks for a waiter, so one of the two sees the other. Nobody writes where nobody
        // waits.
        self.0.free.fetch_add(1, Ordering::SeqCst);
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.returned.notify_one();
        }
    }
}

/// A caller that waits, counted until it goes.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hands_out_no_more_than_there_are() {
        let permits = Permits::new(2);
        let first = permits.try_acquire().expect("two are free");
        let _second = permits.try_acquire().expect("one is free");
        assert!(permits.try_acquire().is_none());
        assert_eq!(permits.taken(), 2);
        drop(first);
        assert!(permits.try_acquire().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_who_waits_gets_a_turn() {
        let permits = Permits::new(3);
        let most = Arc::new(AtomicUsize::new(0));
        let tasks = (0..200).map(|_| {
            let (permits, most) = (Arc::clone(&permits), Arc::clone(&most));
            tokio::spawn(async move {
                let _permit = permits.acquire().await;
                most.fetch_max(permits.taken(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no task panics");
        }
        assert!(most.load(Ordering::Relaxed) <= 3);
        assert_eq!(permits.taken(), 0);
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_loses_no_permit() {
        let permits = Permits::new(1);
        let held = permits.acquire().await;
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(1), permits.acquire());
        assert!(waiting.await.is_err());
        drop(held);
        assert!(permits.try_acquire().is_some());
    }
}
