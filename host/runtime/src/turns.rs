//! The turns of one plugin's calls whose transactions were in each other's way.
//!
//! A call runs without a turn first, and most never need one. A call in a turn knows that no other turn's run is
//! between its reads and its commit. Its turn ends when the commit is handed over, before it is decided: the next turn
//! sees the writes of those before it as [`Pending`], and its commit names what it relied on. So a hot key is not held
//! up by one flush of the disk for each commit.
//!
//! What runs without a turn may still come in between. A turn that was unlucky too often is *alone*: nothing else of the
//! plugin is handed over until its commit is decided.
//!
//! The mutex here is held for map operations only, and only by calls in turns.

mod contention;
mod pending;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use self::pending::Written;
pub(crate) use self::{
    contention::{Contention, Fate},
    pending::{Pending, PendingChange},
};
use crate::keyspace::Transaction;

/// Most calls of one plugin that wait for a turn.
const WAITING_MAX: usize = 512;

/// The turns of one plugin, whatever its generations.
#[derive(Debug)]
pub(crate) struct Turns {
    /// One permit, handed out in the order of asking.
    queue: Arc<Semaphore>,
    waiting: AtomicUsize,
    is_alone: AtomicBool,
    /// Commits without a turn that are handed over and not decided.
    free_commits: AtomicUsize,
    handed_over: Mutex<HandedOver>,
    /// Told when a commit is decided.
    decided: Notify,
}

/// Commits of turns that are handed over and not decided.
#[derive(Debug, Default)]
struct HandedOver {
    pending: Arc<Pending>,
    commits: usize,
}

/// The right to run while no other turn does.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    is_alone: bool,
    _place: OwnedSemaphorePermit,
}

/// A commit of a turn on its way; its writes are pending while this exists.
#[derive(Debug)]
pub(crate) struct TurnCommit {
    turns: Arc<Turns>,
    mark: Arc<AtomicI64>,
    written: Written,
}

/// A commit without a turn on its way.
#[derive(Debug)]
pub(crate) struct FreeCommit(Arc<Turns>);

/// A place among the waiting.
struct Waiting<'a>(&'a AtomicUsize);

impl Turns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            is_alone: AtomicBool::new(false),
            free_commits: AtomicUsize::new(0),
            handed_over: Mutex::default(),
            decided: Notify::new(),
        })
    }

    /// Waits for a turn; `None` when too many wait already.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Turn> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return None;
        }
        let place = Arc::clone(&self.queue).acquire_owned().await.ok()?;
        drop(waiting);
        Some(Turn { turns: Arc::clone(self), is_alone: false, _place: place })
    }

    /// Lets a call without a turn hand its commit over; `None` while a turn is alone.
    pub(crate) fn try_hand_over(self: &Arc<Self>) -> Option<FreeCommit> {
        // Both sides write their own flag and then read the other's (`SeqCst`): either this sees that a turn is alone,
        // or that turn sees this commit and waits for it.
        self.free_commits.fetch_add(1, Ordering::SeqCst);
        let commit = FreeCommit(Arc::clone(self));
        (!self.is_alone.load(Ordering::SeqCst)).then_some(commit)
    }

    /// Returns what commits of turns will have written, as it stands now.
    pub(crate) fn pending(&self) -> Arc<Pending> {
        Arc::clone(&self.handed_over().pending)
    }

    /// Waits until no commit of a turn is on its way. Only a turn should wait for it: others add commits meanwhile.
    pub(crate) async fn settled(&self) {
        self.wait_until(|| self.handed_over().commits == 0).await;
    }

    /// Returns whether nobody waits, runs or has anything on its way here.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        let handed_over = self.handed_over();
        let nothing_pending = handed_over.commits == 0 && handed_over.pending.is_empty();
        let nobody = self.waiting.load(Ordering::SeqCst) == 0 && self.queue.available_permits() == 1;
        nothing_pending
            && nobody
            && self.free_commits.load(Ordering::SeqCst) == 0
            && !self.is_alone.load(Ordering::SeqCst)
    }

    async fn wait_until(&self, is_so: impl Fn() -> bool) {
        loop {
            let decided = self.decided.notified();
            tokio::pin!(decided);
            // In the queue before the look: what is decided in between wakes this caller.
            decided.as_mut().enable();
            if is_so() {
                return;
            }
            decided.await;
        }
    }

    fn handed_over(&self) -> MutexGuard<'_, HandedOver> {
        self.handed_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Lets nothing else of the plugin be handed over until this turn ends, and waits for what is on its way.
    pub(crate) async fn be_alone(&mut self) {
        self.is_alone = true;
        self.turns.is_alone.store(true, Ordering::SeqCst);
        self.turns.wait_until(|| self.turns.free_commits.load(Ordering::SeqCst) == 0).await;
        self.turns.settled().await;
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Shows the writes of `transaction`, which is about to be handed over, to the turns that follow.
    pub(crate) fn hand_over(&self, transaction: &mut Transaction) -> TurnCommit {
        let mark = Arc::new(AtomicI64::new(0));
        let mut handed_over = self.turns.handed_over();
        handed_over.commits += 1;
        let written = Arc::make_mut(&mut handed_over.pending).add(transaction, &mark);
        transaction.mark = Some(Arc::clone(&mark));
        TurnCommit { turns: Arc::clone(&self.turns), mark, written }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_alone {
            self.turns.is_alone.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for TurnCommit {
    fn drop(&mut self) {
        let mut handed_over = self.turns.handed_over();
        handed_over.commits -= 1;
        Arc::make_mut(&mut handed_over.pending).remove(&self.written, &self.mark);
        drop(handed_over);
        self.turns.decided.notify_waiters();
    }
}

impl Drop for FreeCommit {
    fn drop(&mut self) {
        self.0.free_commits.fetch_sub(1, Ordering::SeqCst);
        self.0.decided.notify_waiters();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
