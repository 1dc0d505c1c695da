//! Fairness: every plugin, and the host, has a lane of its own, and the lane that had least is next.
//!
//! What a lane had is counted in what its jobs cost, since they differ: a commit of one key is one, and so is one of 900
//! events or of 8 MiB. A plugin with hundreds of waiting commits delays another's only commit by one of its own, not by
//! hundreds; and one whose commits are large takes no more from those whose commits are small than they take from it.
//! Within a lane the order of coming is kept.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{
    job::{Job, Lane},
    queue::Queue,
};

/// Jobs that the writer took from the queue and did not begin.
#[derive(Default)]
pub(super) struct Lanes {
    /// Lanes that had jobs stay here, empty: there are as many as plugins.
    waiting: HashMap<Lane, Waiting>,
    /// The lanes that have jobs, by what each had, and whose turn was longest ago where that is the same.
    turns: BTreeSet<(usize, u64, Lane)>,
    /// Turns so far.
    count: u64,
    /// What the last lane had when its turn came. Who was away has missed nothing.
    least: usize,
}

/// The jobs of one lane.
#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    had: usize,
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
        let waiting = self.waiting.entry(lane).or_default();
        if waiting.jobs.is_empty() {
            waiting.had = waiting.had.max(self.least);
            self.count += 1;
            self.turns.insert((waiting.had, self.count, lane));
        }
        waiting.jobs.push_back(job);
    }

    /// Takes the oldest job of the lane whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let (had, _, lane) = self.turns.pop_first()?;
        let waiting = self.waiting.get_mut(&lane)?;
        let job = waiting.jobs.pop_front()?;
        self.least = had;
        waiting.had = had.saturating_add(job.cost());
        if !waiting.jobs.is_empty() {
            self.count += 1;
            self.turns.insert((waiting.had, self.count, lane));
        }
        Some(job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
