//! Keeps what nobody waits for out of the way of calls.
//!
//! Deliveries come in crowds: those whose commits the disk confirmed together let as many others begin at once. Where
//! their handlers compute for a while, though not for long enough to move to the slow lane, they would stand before
//! every request on every thread. So such handlers, of events and schedules, compute on a part of the threads at a time,
//! and the others are for calls. Whoever waits for something else meanwhile has no part in that.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use crate::permits::{Permit, Permits};

/// Returns how many of `threads` what nobody waits for may take at a time.
pub(crate) fn share(threads: usize) -> usize {
    (threads / 2).max(1)
}

/// Some work that computes only while it has one of a few permits.
pub(crate) struct Aside {
    permits: Arc<Permits>,
    permit: Option<Permit>,
}

impl Aside {
    /// Without a permit.
    pub(crate) fn new(permits: Arc<Permits>) -> Self {
        Self { permits, permit: None }
    }

    /// Waits for a permit, unless it has one.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and loses no permit.
    pub(crate) async fn enter(&mut self) {
        if self.permit.is_none() {
            self.permit = Some(self.permits.acquire().await);
        }
    }

    /// Gives the permit back, if it has one.
    pub(crate) fn leave(&mut self) {
        self.permit = None;
    }

    /// Runs `work`, which has a permit whenever it computes and none while it waits. It has one at the end.
    pub(crate) async fn run<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            self.enter().await;
            let mut is_woken = false;
            let polled = poll_fn(|context| {
                if is_woken {
                    return Poll::Ready(None);
                }
                is_woken = true;
                let polled = work.as_mut().poll(context).map(Some);
                if polled.is_pending() {
                    self.leave();
                }
                polled
            });
            if let Some(output) = polled.await {
                return output;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        sync::oneshot,
        task::yield_now,
        time::{sleep, timeout},
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn half_of_the_threads_but_one_at_least() {
        assert_eq!([1, 2, 3, 4, 9].map(share), [1, 1, 1, 2, 4]);
    }

    #[tokio::test]
    async fn what_waits_lets_others_compute() {
        let permits = Permits::new(1);
        let (go_on, waits) = oneshot::channel::<u8>();
        let first = tokio::spawn({
            let mut aside = Aside::new(Arc::clone(&permits));
            async move { (aside.run(waits).await, aside.permit.is_some()) }
        });
        let mut second = Aside::new(Arc::clone(&permits));
        timeout(PATIENCE, second.run(yield_now())).await.expect("the first one waits for something else");
        go_on.send(7).expect("somebody waits");
        sleep(SOON).await;
        assert!(!first.is_finished(), "the second one has the permit");
        second.leave();
        assert_eq!(first.await.expect("it ends"), (Ok(7), true));
        assert_eq!(permits.taken(), 0);
    }

    #[tokio::test]
    async fn who_is_dropped_while_it_waits_loses_no_permit() {
        let permits = Permits::new(1);
        let held = permits.try_acquire();
        assert!(timeout(SOON, Aside::new(Arc::clone(&permits)).run(async {})).await.is_err());
        drop(held);
        timeout(PATIENCE, Aside::new(Arc::clone(&permits)).run(async {})).await.expect("a permit is free");
        assert_eq!(permits.taken(), 0);
    }
}
