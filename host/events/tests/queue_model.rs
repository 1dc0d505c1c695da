//! The queue's wake-up under every order of its threads that matters, by model checking (loom).
//!
//! `src/queue.rs` itself is compiled here, over parts that the checker sees into. crossbeam's queue is replaced by one
//! that promises less: a pushed item becomes visible with a release store and no fence. What holds here holds without
//! help from crossbeam. tokio's `Notify` is replaced by loom's, which keeps one permit as it does.

#![expect(clippy::duplicate_mod, reason = "once as it is, and once without its fences")]
#![expect(dead_code, reason = "the queue has more than the model calls")]
#![expect(unreachable_pub, reason = "the queue is compiled as a private module here")]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use loom::{model::Builder, thread};

/// Parts that the checker sees into.
mod parts {
    use std::{collections::VecDeque, sync::Mutex};

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

    /// Items are handed over outside of the model; how many of them the consumer sees is in it.
    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        capacity: usize,
        pushed: AtomicUsize,
        popped: AtomicUsize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            Self { items: Mutex::default(), capacity, pushed: AtomicUsize::new(0), popped: AtomicUsize::new(0) }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            {
                let mut items = self.items.lock().expect("no thread panics with the lock");
                if items.len() >= self.capacity {
                    return Err(item);
                }
                items.push_back(item);
            }
            self.pushed.fetch_add(1, Ordering::Release);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            // Only the consumer writes here.
            let popped = self.popped.load(Ordering::Relaxed);
            if self.pushed.load(Ordering::Acquire) == popped {
                return None;
            }
            self.popped.store(popped + 1, Ordering::Relaxed);
            self.items.lock().expect("no thread panics with the lock").pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items.lock().expect("no thread panics with the lock").len()
        }
    }

    pub(crate) struct Notify(loom::sync::Notify);

    impl Notify {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Notify::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify();
        }

        /// Waits within the poll: the checker sees the thread stop, and that nobody wakes it.
        pub(crate) async fn notified(&self) {
            self.0.wait();
        }
    }
}

/// The queue as it is.
#[path = "."]
mod fenced {
    mod sync {
        pub(super) use loom::sync::atomic::fence;

        pub(super) use crate::parts::*;
    }
    #[path = "../src/queue.rs"]
    pub(crate) mod queue;
}

/// The same without its fences.
#[path = "."]
mod unfenced {
    mod sync {
        pub(super) use crate::parts::*;

        pub(super) fn fence(_: Ordering) {}
    }
    #[path = "../src/queue.rs"]
    pub(crate) mod queue;
}

/// Runs a future whose every wait happens within its poll.
fn finish<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the parts of the model wait within the poll"),
    }
}

/// Explores all orders with at most three preemptions, which is known to find nearly every fault (CHESS, Musuvathi and
/// Qadeer 2007), within seconds.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Two producers push one item each into a queue for `items`; the consumer waits until it has heard of both.
macro_rules! two_producers {
    ($queue:path, $items:expr) => {{
        use $queue::{Next, QueueLimits, queue};
        let (producer, mut consumer) = queue::<u8>(QueueLimits { items: $items, bytes: 100 });
        let producers: Vec<_> = [1, 2]
            .map(|item| {
                let producer = producer.clone();
                thread::spawn(move || producer.push(item, 1).is_ok())
            })
            .into_iter()
            .collect();
        let (mut items, mut lost) = (0, 0);
        while items + lost < 2 {
            match finish(consumer.next()) {
                Next::Item(_) => items += 1,
                Next::Lost(count) => lost += count,
            }
        }
        let pushed = producers.into_iter().filter_map(|producer| producer.join().ok()).filter(|pushed| *pushed).count();
        assert_eq!(items, u64::try_from(pushed).expect("small"));
    }};
}

#[test]
fn no_item_lies_before_a_sleeping_consumer() {
    check(|| two_producers!(fenced::queue, 2));
}

#[test]
fn a_consumer_hears_of_every_item_that_did_not_fit() {
    check(|| two_producers!(fenced::queue, 1));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_its_fences_the_model_finds_a_consumer_that_sleeps_before_an_item() {
    check(|| two_producers!(unfenced::queue, 2));
}
