//! From the store's writer to the driver: what was published, over a queue that the writer never waits for.

use std::sync::Arc;

use backplane_events::{Consumer, Producer, Published, QueueCounters, QueueLimits, queue};
use backplane_store::events::PublishedHook;

use super::heads::Heads;
use crate::adapters;

/// What the queue holds: about four seconds of the fastest publishing, or less of large events.
const QUEUE: QueueLimits = QueueLimits { items: 65_536, bytes: 64 << 20 };

/// The writer's end of the queue.
#[derive(Clone)]
pub struct Feed(Producer<Published>);

/// Everything of the queue but the hook.
pub struct Feeding {
    pub(super) feed: Feed,
    pub(super) heads: Arc<Heads>,
    pub(super) published: Consumer<Published>,
}

impl Feed {
    /// Makes the queue: what the store is opened with, and the rest of it.
    pub fn open() -> (PublishedHook, Feeding) {
        let (producer, published) = queue(QUEUE);
        let heads = Arc::new(Heads::new());
        let feeding = Feeding { feed: Self(producer.clone()), heads: Arc::clone(&heads), published };
        let hook = move |batch: Vec<backplane_store::events::Published>| {
            let newest = batch.last().map(|published| published.event.seq);
            for published in batch {
                // What is left out here, or does not fit, the driver reads from the log.
                if let Ok(published) = adapters::published(published) {
                    let bytes = published.bytes();
                    let _full = producer.push(published, bytes);
                }
            }
            if let Some(newest) = newest {
                heads.note(newest);
            }
        };
        (Arc::new(hook), feeding)
    }

    /// Returns what went through.
    pub fn counters(&self) -> QueueCounters {
        self.0.counters()
    }
}
