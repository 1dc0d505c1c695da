//! The ceiling: the same counting through diesel in one process, with one writer that commits for everybody.
//!
//! No HTTP, no plugin, no validation: as many threads as there would be clients hand their key to a writer and wait.
//! The writer takes what has come, counts each in a savepoint of its own, commits once and answers all of them.

use std::{
    path::PathBuf,
    sync::{
        Barrier,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use backplane_bench::counters;
use diesel::{Connection as _, sqlite::SqliteConnection};

use super::keys::{Chance, Load};
use crate::{
    program::{PATIENCE, now},
    tally::{Figures, Tally, Window},
};

/// Jobs that share a commit at the most, and the time after which no more join. The store's writer has the same.
const BATCH_JOBS_MAX: u64 = 256;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// The database that is counted in.
#[derive(Debug)]
pub(super) struct GroupCommit {
    /// Where it is.
    pub(super) database: PathBuf,
}

/// A key to count, and who waits for that.
struct Job {
    key: String,
    done: SyncSender<()>,
}

/// How often the writer committed, and for how many jobs.
#[derive(Debug, Default)]
struct Commits {
    batches: u64,
    jobs: u64,
}

impl GroupCommit {
    /// Counts with `load.clients` threads until the load's time is over; returns what was confirmed, too.
    pub(super) fn measure(&self, load: &Load) -> anyhow::Result<(Figures, u64)> {
        let database = counters::open(&self.database)?;
        let (jobs, queue) = sync_channel(1024);
        let ready = Barrier::new(load.clients);
        let (tally, commits) = thread::scope(|scope| {
            let writer = scope.spawn(|| write(database, queue));
            let ready = &ready;
            let producers: Vec<_> = (0..load.clients)
                .map(|number| (number, jobs.clone()))
                .map(|(number, jobs)| scope.spawn(move || produce(number, &jobs, load, ready)))
                .collect();
            // The writer ends when the last producer does.
            drop(jobs);
            let mut all = Tally::default();
            for producer in producers {
                all.add(producer.join().ok().context("a producer panicked")??);
            }
            Ok::<_, anyhow::Error>((all, writer.join().ok().context("the writer panicked")??))
        })?;
        let confirmed = tally.confirmed;
        let commits_per_fsync = Some(commits.jobs as f64 / commits.batches as f64);
        Ok((Figures { commits_per_fsync, ..tally.figures(&load.span) }, confirmed))
    }
}

fn produce(number: usize, jobs: &SyncSender<Job>, load: &Load, ready: &Barrier) -> anyhow::Result<Tally> {
    let (done, wait) = sync_channel(1);
    ready.wait();
    let (window, mut chance, mut tally) = (Window::open(&load.span), Chance::of(number), Tally::default());
    while !window.is_over() {
        let job = Job { key: load.keys.pick(&mut chance), done: done.clone() };
        let began = now();
        jobs.send(job).ok().context("the writer is gone")?;
        wait.recv_timeout(PATIENCE).context("the writer gave up")?;
        tally.note(&window, began, true);
    }
    Ok(tally)
}

#[expect(clippy::needless_pass_by_value, reason = "producers see the queue's end when the writer ends")]
fn write(mut database: SqliteConnection, queue: Receiver<Job>) -> anyhow::Result<Commits> {
    let mut commits = Commits::default();
    while let Ok(first) = queue.recv() {
        let started = now();
        let waiting = database.immediate_transaction(|database| {
            let mut waiting = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next {
                database.transaction(|database| counters::bump(database, &job.key))?;
                waiting.push(job.done);
                let is_full = waiting.len() as u64 >= BATCH_JOBS_MAX || started.elapsed() >= BATCH_TIME;
                next = if is_full { None } else { queue.try_recv().ok() };
            }
            Ok::<_, anyhow::Error>(waiting)
        })?;
        commits.batches += 1;
        commits.jobs += waiting.len() as u64;
        for done in waiting {
            // Each producer waits for one answer, so there is room for it.
            done.send(()).ok().context("a producer is gone")?;
        }
    }
    Ok(commits)
}
