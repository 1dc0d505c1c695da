//! A bounded, lock-free queue from those who write to the writer's thread.
//!
//! - Producers never wait: what does not fit is refused.
//! - The writer sleeps while there is nothing to do. It says so, looks once more, and parks; a producer puts its job in
//!   place, looks whether the writer said so, and wakes it. Either the writer sees the job or the producer sees the
//!   sleeper (the fences order both sides' store before their load), so no job lies in the queue of a sleeping writer.
//! - Once the writer has ended, every job is refused, also one that was pushed at that moment.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread::{self, Thread},
    time::Duration,
};

use crossbeam_queue::ArrayQueue;

use super::{
    job::Job,
    load::{Charge, Load, LoadMax},
};
use crate::{error::StoreError, options::HOST_WRITES_MAX, space::Space};

/// The way to the writer.
pub(crate) struct Queue {
    jobs: ArrayQueue<Job>,
    commits: Arc<Load>,
    commits_max: LoadMax,
    host: Arc<Load>,
    writer: OnceLock<Thread>,
    /// The writer is about to park, or has.
    sleeping: AtomicBool,
    /// Nothing more is taken; the writer does what is there and ends.
    closing: AtomicBool,
    /// The writer has ended.
    ended: AtomicBool,
}

impl Queue {
    pub(crate) fn new(commits_max: LoadMax) -> Self {
        Self {
            // Charges bound the jobs, so there is always room.
            jobs: ArrayQueue::new(commits_max.jobs.max(1) + HOST_WRITES_MAX),
            commits: Arc::default(),
            commits_max,
            host: Arc::default(),
            writer: OnceLock::new(),
            sleeping: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Charges a commit of `bytes`. `None` means that the queue, or the space's half of it, is full.
    pub(crate) fn charge_commit(&self, space: &Arc<Space>, bytes: usize) -> Option<Charge> {
        Charge::commit(&self.commits, self.commits_max, space, bytes)
    }

    /// Charges a write of the host.
    pub(crate) fn charge_host(&self) -> Option<Charge> {
        Charge::host(&self.host, LoadMax { jobs: HOST_WRITES_MAX, bytes: 0 })
    }

    /// Returns how many commits are waiting or being written.
    pub(crate) fn commits(&self) -> usize {
        self.commits.jobs()
    }

    /// Hands a job to the writer, or answers it where that is not possible any more.
    pub(crate) fn push(&self, job: Job) {
        if self.closing.load(Ordering::SeqCst) {
            return job.answer(Err(&StoreError::closed()));
        }
        if let Err(job) = self.jobs.push(job) {
            return job.answer(Err(&StoreError::Busy));
        }
        fence(Ordering::SeqCst);
        if self.ended.load(Ordering::SeqCst) {
            return self.refuse_all();
        }
        self.wake();
    }

    /// Takes the oldest job.
    pub(crate) fn pop(&self) -> Option<Job> {
        self.jobs.pop()
    }

    /// Asks the writer to end once nothing is left to do.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.wake();
    }

    /// Returns whether the writer may end.
    pub(crate) fn is_done(&self) -> bool {
        self.closing.load(Ordering::SeqCst) && self.jobs.is_empty()
    }

    fn wake(&self) {
        if self.sleeping.load(Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Sleeps until there may be something to do, or `timeout` is over. For the writer's thread only.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) {
        self.writer.get_or_init(thread::current);
        self.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.jobs.is_empty() && !self.closing.load(Ordering::SeqCst) {
            match timeout {
                Some(timeout) => thread::park_timeout(timeout),
                None => thread::park(),
            }
        }
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Answers what is left and will come, because there is no writer any more.
    pub(crate) fn end(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.ended.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.refuse_all();
    }

    fn refuse_all(&self) {
        while let Some(job) = self.jobs.pop() {
            job.answer(Err(&StoreError::closed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::{super::job::Closure, *};
    use crate::{
        pending::Pending,
        writer::{HostWrite, Job},
    };

    const MAX: LoadMax = LoadMax { jobs: 1, bytes: 0 };

    fn job(queue: &Queue) -> Option<(Job, Pending<(), StoreError>)> {
        let charge = queue.charge_host()?;
        let (done, pending) = Pending::new();
        Some((Job::Write(HostWrite::new(Box::new(Closure::new(|_: &mut _| Ok(()), done)), charge)), pending))
    }

    /// Takes jobs as the writer does, until the queue is done. Returns how many there were.
    fn consume(queue: &Queue) -> usize {
        let mut taken = 0;
        loop {
            match queue.pop() {
                Some(job) => {
                    job.answer(Err(&StoreError::Busy));
                    taken += 1;
                }
                None if queue.is_done() => return taken,
                // Without an end to the sleep: a job that nobody wakes the consumer for hangs the test.
                None => queue.sleep(None),
            }
        }
    }

    #[test]
    fn no_job_lies_before_a_sleeping_consumer() {
        const PRODUCERS: usize = 8;
        const JOBS: usize = 4000;
        let queue = Arc::new(Queue::new(MAX));
        let consumer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || consume(&queue)
        });
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|number| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    for round in 0..JOBS {
                        let (job, pending) = job(&queue).unwrap();
                        queue.push(job);
                        // Waiting for the answer empties the queue, so that the consumer goes to sleep again and again.
                        assert!(matches!(pending.wait(), Err(StoreError::Busy)));
                        if round % 64 == number {
                            thread::sleep(Duration::from_micros(50));
                        }
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        queue.close();
        assert_eq!(consumer.join().unwrap(), PRODUCERS * JOBS);
    }

    #[test]
    fn a_sleeper_wakes_when_the_queue_closes() {
        for _ in 0..200 {
            let queue = Arc::new(Queue::new(MAX));
            let consumer = thread::spawn({
                let queue = Arc::clone(&queue);
                move || consume(&queue)
            });
            queue.close();
            assert_eq!(consumer.join().unwrap(), 0);
        }
    }

    #[test]
    fn everybody_is_answered_though_the_consumer_ends() {
        for _ in 0..200 {
            let queue = Arc::new(Queue::new(MAX));
            let ended = Arc::new(AtomicBool::new(false));
            let producers: Vec<_> = (0..4)
                .map(|_| {
                    let (queue, ended) = (Arc::clone(&queue), Arc::clone(&ended));
                    thread::spawn(move || {
                        while !ended.load(Ordering::Relaxed) {
                            let Some((job, pending)) = job(&queue) else { continue };
                            queue.push(job);
                            if queue.ended.load(Ordering::SeqCst) {
                                assert!(matches!(pending.wait(), Err(StoreError::Unavailable(_))));
                            }
                        }
                    })
                })
                .collect();
            queue.end();
            ended.store(true, Ordering::Relaxed);
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            assert!(queue.pop().is_none());
        }
    }
}
