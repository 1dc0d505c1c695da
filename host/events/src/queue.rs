//! A bounded, lock-free queue with many producers and one consumer.
//!
//! - Producers never wait: [`Producer::push`] hands back what does not fit, and the consumer is told that something was
//!   handed back. What that means is theirs to know: an event is in the log anyway, a log line is lost and counted.
//! - The consumer sleeps while there is nothing to do. It says so, looks once more, and waits; a producer puts its item
//!   in place, looks whether the consumer said so, and wakes it. The fences order both sides' store before their load,
//!   so either the consumer sees the item or the producer sees the sleeper: nothing lies before a sleeping consumer.
//! - Items and their bytes are bounded. One item larger than all bytes passes while it is alone.
//!
//! This file does not know what an item means. It is checked as it stands under every order of its threads by
//! `tests/queue_model.rs`, which is why it names the parts that it is built from through `super::sync`.

use std::sync::Arc;

use super::sync::{ArrayQueue, AtomicBool, AtomicU64, AtomicUsize, Notify, Ordering, fence};

/// How much a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Items, at least 1.
    pub items: usize,
    /// Bytes of all items together, as their producers count them.
    pub bytes: usize,
}

/// Makes a queue: the side that is cloned for everybody who has something, and the side of the one who takes it.
pub fn queue<T>(limits: QueueLimits) -> (Producer<T>, Consumer<T>) {
    let shared = Arc::new(Shared {
        items: ArrayQueue::new(limits.items.max(1)),
        bytes: AtomicUsize::new(0),
        bytes_max: limits.bytes,
        refused: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        sleeping: AtomicBool::new(false),
        awake: Notify::new(),
    });
    (Producer { shared: Arc::clone(&shared) }, Consumer { shared, refused_seen: 0 })
}

struct Shared<T> {
    items: ArrayQueue<Item<T>>,
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Items that were handed back.
    refused: AtomicU64,
    /// Items that the consumer took. Only it writes here.
    taken: AtomicU64,
    /// The consumer is about to wait, or does, and nobody has woken it yet.
    sleeping: AtomicBool,
    awake: Notify,
}

struct Item<T> {
    value: T,
    bytes: usize,
}

/// Puts items into a queue.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
}

/// Takes items out of a queue.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// What of [`Shared::refused`] was told.
    refused_seen: u64,
}

/// What the consumer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<T> {
    /// The oldest item.
    Item(T),
    /// So many items were handed back since the last time.
    Lost(u64),
}

/// What went through a queue since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueCounters {
    /// Items that wait now, about.
    pub waiting: usize,
    /// Items that the consumer took.
    pub taken: u64,
    /// Items that were handed back.
    pub refused: u64,
}

impl<T> Producer<T> {
    /// Puts an item into the queue, and counts it as `bytes`.
    ///
    /// # Errors
    /// Hands the item back when the queue is full; the consumer finds a [`Next::Lost`].
    pub fn push(&self, value: T, bytes: usize) -> Result<(), T> {
        let put = self.shared.put(Item { value, bytes });
        if put.is_err() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.wake();
        put.map_err(|item| item.value)
    }

    /// Returns what went through.
    pub fn counters(&self) -> QueueCounters {
        QueueCounters {
            waiting: self.shared.items.len(),
            taken: self.shared.taken.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
        }
    }
}

impl<T> Clone for Producer<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Consumer<T> {
    /// Takes what comes next, and waits for it.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Next<T> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            // An exchange as the producers' is, so that all changes of the flag have one order for everybody.
            self.shared.sleeping.swap(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            // The flag stays up when there is something after all: it costs one wake-up that nobody needs.
            if let Some(next) = self.try_next() {
                return next;
            }
            self.shared.awake.notified().await;
        }
    }

    /// Takes what comes next if it is there.
    pub fn try_next(&mut self) -> Option<Next<T>> {
        // Before the items: under a flood the queue is never empty, and the loss is to be known all the same.
        let refused = self.shared.refused.load(Ordering::Relaxed);
        let lost = refused.wrapping_sub(self.refused_seen);
        if lost > 0 {
            self.refused_seen = refused;
            return Some(Next::Lost(lost));
        }
        let item = self.shared.items.pop()?;
        self.shared.bytes.fetch_sub(item.bytes, Ordering::Relaxed);
        self.shared.taken.store(self.shared.taken.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        Some(Next::Item(item.value))
    }
}

impl<T> Shared<T> {
    fn put(&self, item: Item<T>) -> Result<(), Item<T>> {
        // Charged before it is in place: who takes it discharges what was charged.
        let before = self.bytes.fetch_add(item.bytes, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(item.bytes) <= self.bytes_max;
        let put = if fits { self.items.push(item) } else { Err(item) };
        if let Err(item) = &put {
            self.bytes.fetch_sub(item.bytes, Ordering::Relaxed);
        }
        put
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        // Of many producers one wakes: the load keeps the others from writing to the same place.
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            self.awake.notify_one();
        }
    }
}
