//! The newest place of the log, for those who follow it.
//!
//! The store's writer only leaves the place here. Waking a thousand followers is for a task: [`Heads::run`].

use std::sync::atomic::{AtomicI64, Ordering};

use backplane_events::Seq;
use tokio::sync::{Notify, watch};

/// The newest place.
pub(super) struct Heads {
    newest: AtomicI64,
    moved: Notify,
    told: watch::Sender<Seq>,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { newest: AtomicI64::new(0), moved: Notify::new(), told: watch::Sender::new(Seq::ZERO) }
    }

    /// Says that the log ends here now, or further.
    pub(super) fn note(&self, newest: i64) {
        self.newest.fetch_max(newest, Ordering::SeqCst);
        self.moved.notify_one();
    }

    /// Returns the newest place, as the writer left it: whoever was answered finds no earlier one.
    pub(super) fn newest(&self) -> Seq {
        Seq(self.newest.load(Ordering::SeqCst))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Seq> {
        self.told.subscribe()
    }

    /// Tells followers, for as long as it is polled.
    pub(super) async fn run(&self) {
        loop {
            let newest = self.newest();
            self.told.send_if_modified(|told| std::mem::replace(told, newest) != newest);
            self.moved.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn followers_are_told_where_the_log_ends_and_never_that_it_went_back() {
        let heads = Heads::new();
        heads.note(5);
        heads.note(3);
        assert_eq!(heads.newest(), Seq(5));
        let mut follower = heads.subscribe();
        tokio::select! {
            () = heads.run() => {}
            found = follower.wait_for(|seq| *seq != Seq::ZERO) => assert_eq!(*found.expect("a head"), Seq(5)),
        }
        heads.note(9);
        tokio::select! {
            () = heads.run() => {}
            moved = follower.changed() => moved.expect("a head"),
        }
        assert_eq!(*follower.borrow(), Seq(9));
    }
}
