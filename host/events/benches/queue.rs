//! What the queue from commit to dispatcher carries: `cargo bench -p backplane-events`.
//!
//! Prints operations per second, each one a push and a take, by the number of producers that push as fast as they can.
//! A producer that finds the queue full tries again; how often is printed beside it. The other side of each pair is one
//! consumer that sleeps when there is nothing.

use std::{
    hint::{black_box, spin_loop},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use backplane_events::{Next, QueueLimits, queue};

const ITEMS: u64 = 2_000_000;
const ROUNDS: usize = 5;
const LIMITS: QueueLimits = QueueLimits { items: 4096, bytes: usize::MAX };

/// What a hint of an event takes in the queue, about.
type Hint = [u64; 4];

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock that cannot be moved")]
fn clock() -> Instant {
    Instant::now()
}

/// Moves all items and returns how long that took, and how many pushes were handed back.
fn run(producers: u64) -> (Duration, u64) {
    let (producer, mut consumer) = queue::<Hint>(LIMITS);
    let start = Arc::new(Barrier::new(usize::try_from(producers).expect("few") + 1));
    let threads: Vec<_> = (0..producers)
        .map(|number| {
            let (producer, start) = (producer.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for item in 0..ITEMS / producers {
                    let mut hint = [number, item, 0, 0];
                    while let Err(back) = producer.push(hint, 128) {
                        hint = back;
                        spin_loop();
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    start.wait();
    let begin = clock();
    runtime.block_on(async {
        let mut left = ITEMS / producers * producers;
        while left > 0 {
            if let Next::Item(hint) = consumer.next().await {
                black_box(hint);
                left -= 1;
            }
        }
    });
    let took = begin.elapsed();
    threads.into_iter().for_each(|thread| thread.join().expect("does not panic"));
    (took, producer.counters().refused)
}

fn main() {
    println!("{:>9}  {:>16}  {:>16}  {:>12}", "producers", "operations/s", "best", "handed back");
    for producers in [1, 4, 16] {
        let mut runs: Vec<_> = (0..ROUNDS).map(|_| run(producers)).collect();
        runs.sort_unstable();
        let rate = |took: Duration| ITEMS as f64 / took.as_secs_f64();
        let (Some(best), Some(median)) = (runs.first(), runs.get(ROUNDS / 2)) else { continue };
        println!("{producers:>9}  {:>16.0}  {:>16.0}  {:>12}", rate(median.0), rate(best.0), median.1);
    }
}
