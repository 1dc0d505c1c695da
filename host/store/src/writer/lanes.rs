//! Fairness: every plugin, and the host, has a lane of its own, and lanes take turns.
//!
//! A plugin with hundreds of waiting commits delays another's only commit by one of its own, not by hundreds. Within a
//! lane the order of coming is kept.

use std::collections::{HashMap, VecDeque};

use super::{
    job::{Job, Lane},
    queue::Queue,
};

/// Jobs that the writer took from the queue and did not begin.
#[derive(Default)]
pub(super) struct Lanes {
    /// Lanes that had jobs stay here, empty: there are as many as plugins.
    jobs: HashMap<Lane, VecDeque<Job>>,
    /// The lanes that have jobs, the next one first.
    turns: VecDeque<Lane>,
}

impl Lanes {
    /// Takes everything from the queue.
    pub(super) fn fill(&mut self, queue: &Queue) {
        while let Some(job) = queue.pop() {
            self.push(job);
        }
    }

    fn push(&mut self, job: Job) {
        let lane = job.lane();
        let jobs = self.jobs.entry(lane).or_default();
        if jobs.is_empty() {
            self.turns.push_back(lane);
        }
        jobs.push_back(job);
    }

    /// Takes the oldest job of the lane whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let lane = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&lane)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.turns.push_back(lane);
        }
        job
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
