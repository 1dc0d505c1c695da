//! From the store's writer to the driver, and to those who follow: what was published, over queues that the writer never
//! waits for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use backplane_events::{Consumer, Next, Producer, Published, QueueCounters, QueueLimits, Seq, queue};
use backplane_store::events::PublishedHook;

use super::head::Head;
use crate::adapters;

/// What the queue holds: about four seconds of the fastest publishing, or less of large events.
const QUEUE: QueueLimits = QueueLimits { items: 65_536, bytes: 64 << 20 };

/// What the queue to those who follow holds. Whatever does not fit they read from the log.
const TAIL: QueueLimits = QueueLimits { items: 8192, bytes: 16 << 20 };

/// The writer's end of the queue to the driver.
#[derive(Clone)]
pub struct Feed(Producer<Published>);

/// Everything of the queue but the hook.
pub struct Feeding {
    pub(super) feed: Feed,
    pub(super) head: Arc<Head>,
    pub(super) published: Consumer<Published>,
}

/// The events as they are committed, for as long as somebody listens.
pub struct Tail {
    events: Consumer<Published>,
    is_heard: Arc<AtomicBool>,
    head: Arc<Head>,
}

impl Feed {
    /// Makes the queues: what the store is opened with, the rest of it for the driver, and what is for followers.
    pub fn open() -> (PublishedHook, Feeding, Tail) {
        let (to_driver, published) = queue(QUEUE);
        let (to_tail, events) = queue(TAIL);
        let head = Arc::<Head>::default();
        let is_heard = Arc::new(AtomicBool::new(false));
        let feeding = Feeding { feed: Self(to_driver.clone()), head: Arc::clone(&head), published };
        let tail = Tail { events, is_heard: Arc::clone(&is_heard), head: Arc::clone(&head) };
        let hook = move |batch: Vec<backplane_store::events::Published>| {
            let Some(newest) = batch.last().map(|published| published.event.seq) else { return };
            // What is left out here, or does not fit, is read from the log.
            let batch: Vec<_> = batch.into_iter().filter_map(|published| adapters::published(published).ok()).collect();
            put(&to_driver, batch.iter().cloned());
            head.note(newest);
            // After the place: whoever listens by now, and is not seen here, has seen the place.
            if is_heard.load(Ordering::SeqCst) {
                put(&to_tail, batch.into_iter());
            }
        };
        (Arc::new(hook), feeding, tail)
    }

    /// Returns what went through.
    pub fn counters(&self) -> QueueCounters {
        self.0.counters()
    }
}

fn put(queue: &Producer<Published>, batch: impl Iterator<Item = Published>) {
    for published in batch {
        let bytes = published.bytes();
        let _full = queue.push(published, bytes);
    }
}

impl Tail {
    /// Begins to listen, and returns a place: every event behind it comes, or its loss is told.
    pub fn listen(&self) -> Seq {
        self.is_heard.store(true, Ordering::SeqCst);
        self.head.newest()
    }

    /// Ends that. Some events may still come.
    pub fn leave(&mut self) {
        self.is_heard.store(false, Ordering::SeqCst);
        while self.events.try_next().is_some() {}
    }

    /// Returns what comes next, and waits for it. It may be something from before the last [`Tail::listen`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Next<Published> {
        self.events.next().await
    }

    /// Returns what comes next if it is there.
    pub fn try_next(&mut self) -> Option<Next<Published>> {
        self.events.try_next()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_events::published, *};

    fn take(tail: &mut Tail) -> Vec<i64> {
        let item = |next| match next {
            Next::Item(Published { event, .. }) => event.seq.0,
            Next::Lost(lost) => panic!("{lost} are lost"),
        };
        std::iter::from_fn(|| tail.try_next()).map(item).collect()
    }

    #[test]
    fn everything_behind_the_place_comes_and_nothing_while_nobody_listens() {
        let (hook, _feeding, mut tail) = Feed::open();
        hook(vec![published(1), published(2)]);
        assert!(take(&mut tail).is_empty());
        assert_eq!(tail.listen(), Seq(2));
        hook(vec![published(3), published(4)]);
        assert_eq!(take(&mut tail), [3, 4]);
        hook(vec![published(5)]);
        tail.leave();
        hook(vec![published(6)]);
        assert!(take(&mut tail).is_empty());
        assert_eq!(tail.listen(), Seq(6));
    }
}
