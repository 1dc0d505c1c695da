//! How a hash shares the processors with requests: it takes what nobody else wants.
//!
//! A thread of the class `SCHED_IDLE` (sched(7)) gives the processor up at once when any other thread is ready. Where there
//! is always one, it would never end: a hash that was starved makes the next ones run as threads of low priority, which
//! have a tenth of a normal thread's share, and may keep the processor for some milliseconds. After those it is tried again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::time::Instant;

/// `nice` value of a hash after one that was starved.
const NICE: i32 = 10;

/// A hash that took so many times its processor time was starved.
const STARVED: u32 = 8;

/// Hashes with a share of their own after one that was starved.
const HURRIED: u32 = 32;

/// Remembers whether hashes are starved.
#[derive(Debug, Clone, Default)]
pub(super) struct Manners {
    /// Hashes that are still to run with a share of their own.
    hurried: Arc<AtomicU32>,
}

impl Manners {
    /// Runs `work` on the calling thread, which is for nothing else.
    pub(super) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let one_less = |hurried: u32| hurried.checked_sub(1);
        if self.hurried.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            take_a_share();
            return work();
        }
        take_the_rest();
        let started = Instant::now();
        let result = work();
        if is_starved(started.elapsed(), thread_cpu_time()) {
            self.hurried.store(HURRIED, Ordering::Relaxed);
        }
        result
    }
}

fn is_starved(took: Duration, computed: Duration) -> bool {
    took > computed * STARVED
}

/// Where it is refused, hashing competes as an equal.
fn take_the_rest() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _refused = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

/// On Linux each thread has a `nice` value of its own (setpriority(2)).
fn take_a_share() {
    let _refused = rustix::process::setpriority_process(None, NICE);
}

/// Returns what the calling thread has computed since it began.
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use thread_priority::thread_schedule_policy;

    use super::*;

    fn policy_of_next(manners: &Manners) -> ThreadSchedulePolicy {
        let manners = manners.clone();
        let hash = move || manners.run(|| thread_schedule_policy().expect("a policy"));
        thread::spawn(hash).join().expect("no panic")
    }

    #[test]
    fn a_hash_takes_what_nobody_wants_and_a_share_after_one_that_was_starved() {
        let manners = Manners::default();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(policy_of_next(&manners), idle);
        manners.hurried.store(2, Ordering::Relaxed);
        assert_ne!(policy_of_next(&manners), idle);
        assert_ne!(policy_of_next(&manners), idle);
        assert_eq!(policy_of_next(&manners), idle);
    }

    #[test]
    fn a_hash_that_hardly_computes_is_starved() {
        let manners = Manners::default();
        let waits = manners.clone();
        thread::spawn(move || waits.run(|| thread::sleep(Duration::from_millis(50)))).join().expect("no panic");
        assert_eq!(manners.hurried.load(Ordering::Relaxed), HURRIED);
        assert!(!is_starved(Duration::from_millis(100), Duration::from_millis(30)));
    }
}
