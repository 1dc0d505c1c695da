//! The queue under real threads: nothing is lost silently, nothing comes twice, nobody sleeps before an item.
//!
//! Miri runs these too, with fewer rounds, and sees what the processor at hand would forgive.

use std::{
    collections::HashMap,
    sync::{Arc, Barrier},
    thread,
};

use backplane_events::{Next, QueueLimits, queue};

const ROUNDS: u64 = if cfg!(miri) { 30 } else { 20_000 };
const PRODUCERS: u64 = 4;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Pushes from many threads, and takes until every item was taken or told to be lost. Returns both counts.
fn run(limits: QueueLimits) -> (u64, u64) {
    let (producer, mut consumer) = queue(limits);
    let start = Arc::new(Barrier::new(usize::try_from(PRODUCERS).expect("small")));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            let (producer, start) = (producer.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let pushed = (0..ROUNDS).map(|round| {
                    if round % 64 == number {
                        // Lets the consumer fall asleep.
                        thread::yield_now();
                    }
                    u64::from(producer.push((number, round), 1).is_ok())
                });
                pushed.sum::<u64>()
            })
        })
        .collect();
    let (taken, lost) = block_on(async {
        let (mut taken, mut lost) = (0, 0);
        let mut last = HashMap::new();
        while taken + lost < PRODUCERS * ROUNDS {
            match consumer.next().await {
                Next::Item((number, round)) => {
                    let before = last.insert(number, round);
                    assert!(before < Some(round), "{round} of {number} came after {before:?}");
                    taken += 1;
                }
                Next::Lost(count) => lost += count,
            }
        }
        (taken, lost)
    });
    let pushed: u64 = producers.into_iter().map(|producer| producer.join().expect("does not panic")).sum();
    assert_eq!(pushed, taken);
    assert_eq!(consumer.try_next(), None);
    let counters = producer.counters();
    assert_eq!((counters.waiting, counters.taken, counters.refused), (0, taken, lost));
    (taken, lost)
}

#[test]
fn every_item_is_taken_in_the_order_of_its_producer() {
    // Room for all, and for no more: Miri takes long to make what nobody uses.
    let items = usize::try_from(PRODUCERS * ROUNDS).expect("small");
    let (taken, lost) = run(QueueLimits { items, bytes: usize::MAX });
    assert_eq!((taken, lost), (PRODUCERS * ROUNDS, 0));
}

#[test]
fn what_does_not_fit_is_handed_back_and_counted() {
    run(QueueLimits { items: 2, bytes: usize::MAX });
    run(QueueLimits { items: 64, bytes: 3 });
}

#[test]
fn a_queue_is_full_by_items_and_by_bytes() {
    let (producer, mut consumer) = queue(QueueLimits { items: 2, bytes: 10 });
    assert_eq!([producer.push('a', 4), producer.push('b', 4), producer.push('c', 0)], [Ok(()), Ok(()), Err('c')]);
    assert_eq!(consumer.try_next(), Some(Next::Lost(1)));
    assert_eq!(consumer.try_next(), Some(Next::Item('a')));
    assert_eq!(producer.push('d', 7), Err('d'));
    assert_eq!(producer.push('e', 6), Ok(()));
    let rest: Vec<_> = std::iter::from_fn(|| consumer.try_next()).collect();
    assert_eq!(rest, [Next::Lost(1), Next::Item('b'), Next::Item('e')]);
    // One that is larger than everything passes while it is alone.
    assert_eq!([producer.push('f', 99), producer.push('g', 1)], [Ok(()), Err('g')]);
}

#[test]
fn a_wait_that_is_given_up_loses_nothing() {
    let (producer, mut consumer) = queue(QueueLimits { items: 2, bytes: 10 });
    block_on(async {
        for round in 0..10 {
            tokio::select! {
                biased;
                _ = consumer.next() => panic!("there is nothing"),
                () = tokio::task::yield_now() => {}
            }
            producer.push(round, 1).expect("there is room");
            assert_eq!(consumer.next().await, Next::Item(round));
        }
    });
}
