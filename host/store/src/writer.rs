//! The writer: one thread with the only connection that writes.
//!
//! - It does jobs in batches. A batch is one transaction, ended by one wait for the disk; while that lasts, the next
//!   batch gathers in the queue by itself. There is no artificial delay. Nor does the thread take a processor
//!   from a call, which may be about to hand over its commit: see `take_a_turn`.
//! - A job that the database fails under is told so alone; see `batch`.
//! - Nobody is answered before the batch is on disk. When it is not, all of it is undone, in the database, in its log and
//!   in memory, and everybody in it is told so.
//! - A job that panics takes its batch with it, and the connection, whose state is unknown then. The thread goes on.
//! - Between two batches it sees to the log, once everybody is answered. Most of that is another thread's: see `copier`.

mod ahead;
mod apply;
mod batch;
mod copier;
mod erasure;
mod event_ledger;
mod health;
mod job;
mod lanes;
mod ledger;
mod load;
mod log;
mod plan;
mod publish;
mod queue;
mod retention;
mod stamps;
mod tally;
mod validate;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use diesel::{connection::SimpleConnection as _, prelude::*};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::time::Instant;

use self::{
    batch::{Batch, Failure},
    event_ledger::EventLedger,
    lanes::Lanes,
    ledger::Ledger,
    log::Log,
    plan::Stop,
    stamps::Stamps,
    validate::Marks,
};
pub(crate) use self::{
    erasure::Erasure,
    event_ledger::LogBounds,
    health::HealthCell,
    job::{Closure, Collection, HostWrite, Job, Submission},
    load::{Load, LoadMax},
    log::bytes_kept,
    queue::Queue,
    retention::Retention,
    tally::Tally,
};
pub use self::{health::Health, tally::Written};
use crate::{
    connection::{WriterSettings, close},
    error::{Panicked, Source, StoreError},
    events::{Published, PublishedHook},
    frontier::Frontier,
    open_snapshots::OpenSnapshots,
    options::{BATCH_JOBS_MAX, Switches},
    recent::Recent,
    statement::{DataVersion, in_savepoint},
};

/// How often a writer that has nothing to do looks whether another process wrote.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often a writer whose last batch failed tries whether the database can be written.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// `nice` 0 on a scale from 0, the lowest priority, to 99.
const NICE_0: u8 = 48;

/// What the writer shares with those who write and read.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) frontier: Arc<Frontier>,
    /// The length of the log after the last batch, in bytes.
    pub(crate) log_bytes: AtomicU64,
    pub(crate) health: HealthCell,
    pub(crate) tally: Tally,
    pub(crate) recent: Arc<Recent>,
}

/// What the writer knows beside the database.
struct Core {
    ledger: Ledger,
    events: EventLedger,
    stamps: Stamps,
    /// Of the batch that is being done.
    marks: Marks,
    /// Whether each job of it can be undone alone; see `batch`.
    careful: bool,
    /// What `PRAGMA data_version` said last on this connection; `None` on a new one, and after a batch that failed.
    data_version: Option<i64>,
    switches: Switches,
}

/// What the writer is told about events.
pub(crate) struct EventSettings {
    pub(crate) bounds: LogBounds,
    pub(crate) published: Option<PublishedHook>,
}

/// The writer's thread.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    settings: WriterSettings,
    /// `None` after a failure, until it is opened again.
    connection: Option<SqliteConnection>,
    core: Core,
    log: Log,
    snapshots: Arc<OpenSnapshots>,
    published: Option<PublishedHook>,
    lanes: Lanes,
    /// Of no meaning while the last batch was written.
    last_failure: Instant,
    last_look: Instant,
    /// What `PRAGMA data_version` said when the rows in memory were last forgotten for it.
    foreign_version: Option<i64>,
}

impl Core {
    fn load(connection: &mut SqliteConnection, bounds: LogBounds, switches: Switches) -> QueryResult<Self> {
        let ledger = Ledger::load(connection)?;
        let stamps = Stamps::new(ledger.settled_sequence());
        Ok(Self {
            ledger,
            events: EventLedger::load(connection, bounds)?,
            stamps,
            marks: Marks::default(),
            careful: false,
            data_version: Some(DataVersion.get_result(connection)?),
            switches,
        })
    }

    /// Reads what is kept in memory anew when another connection may have written, within a transaction.
    fn refresh(&mut self, connection: &mut SqliteConnection, recent: &Recent) -> QueryResult<()> {
        let data_version = Some(DataVersion.get_result(connection)?);
        if data_version == self.data_version {
            return Ok(());
        }
        self.ledger.reload(connection)?;
        self.events.reload(connection)?;
        // Snapshots of any sequence so far may be from before those writes, which left no stamps.
        self.stamps.raise_floor(self.ledger.next_version());
        recent.clear(self.ledger.next_version());
        // As by a commit: else snapshots that are opened from now on would be below the floor, too, until one comes.
        self.ledger.advance();
        self.data_version = data_version;
        Ok(())
    }

    /// Does what writes. Where the batch is careful, a failure of the database undoes that alone, and is its outcome; in
    /// memory nothing must have been done by then. `plugin` is whose job it is, where it is one's.
    ///
    /// # Errors
    /// When the batch cannot go on.
    fn attempt<T, E: From<StoreError>>(
        &mut self,
        connection: &mut SqliteConnection,
        plugin: Option<&str>,
        write: impl FnOnce(&mut SqliteConnection, &mut Self) -> Result<T, Stop<E>>,
    ) -> QueryResult<Result<T, E>> {
        let written = match self.careful {
            true => in_savepoint(connection, |connection| write(connection, self))?,
            false => write(connection, self),
        };
        match written {
            Ok(written) => Ok(Ok(written)),
            Err(Stop::Refused(error)) => Ok(Err(error)),
            Err(Stop::Failed(error)) if self.careful => {
                tracing::error!(%error, plugin, "the database fails under a job; the others of its batch go on without it");
                Ok(Err(StoreError::from(error).into()))
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// Nothing of the batch is on disk.
    fn abandon(&mut self) {
        self.ledger.abandon();
        self.events.abandon();
        self.marks.clear();
        // What a refresh took is given back by this, so the next batch refreshes again.
        self.data_version = None;
    }
}

impl Writer {
    /// Starts the writer on a connection to a database of the right schema.
    pub(crate) fn start(
        settings: WriterSettings,
        mut connection: SqliteConnection,
        queue: Queue,
        snapshots: Arc<OpenSnapshots>,
        events: EventSettings,
        switches: Switches,
    ) -> Result<(Arc<Shared>, JoinHandle<()>), StoreError> {
        let core = Core::load(&mut connection, events.bounds, switches)?;
        let log = Log::new(&mut connection, &settings, switches.stands_still)?;
        let shared = Arc::new(Shared {
            queue,
            frontier: Arc::new(Frontier::new(core.ledger.settled_sequence())),
            log_bytes: AtomicU64::new(log.bytes()),
            health: HealthCell::new(),
            tally: Tally::default(),
            recent: Arc::new(Recent::new()),
        });
        let writer = Self {
            shared: Arc::clone(&shared),
            settings,
            connection: Some(connection),
            core,
            log,
            snapshots,
            published: events.published,
            lanes: Lanes::default(),
            last_failure: Instant::now(),
            last_look: Instant::now(),
            foreign_version: None,
        };
        let thread = thread::Builder::new().name("store-writer".into()).spawn(move || writer.run());
        Ok((shared, thread.map_err(|error| StoreError::Unavailable(Arc::new(error)))?))
    }

    fn run(mut self) {
        take_a_turn();
        let shared = Arc::clone(&self.shared);
        let _end = EndOnDrop(&shared.queue);
        loop {
            self.lanes.fill(&shared.queue);
            if !self.lanes.is_empty() {
                self.run_batch();
            } else if shared.queue.is_done() {
                break;
            } else if shared.health.is_failing() {
                let until_next_try = PROBE_INTERVAL.saturating_sub(self.last_failure.elapsed());
                if until_next_try.is_zero() { self.run_batch() } else { shared.queue.sleep(Some(until_next_try)) }
            } else {
                shared.queue.sleep(Some(LOOK_INTERVAL));
                self.look_around();
            }
        }
        drop(self.log);
        if let Some(mut connection) = self.connection.take()
            && let Err(error) = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "the log stays beside the database, which is whole all the same");
        }
    }

    /// Forgets the rows in memory when another process wrote, and has its sequence. A batch does that by itself, but there
    /// may be none for long.
    fn look_around(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.last_look.elapsed() >= LOOK_INTERVAL) else {
            return;
        };
        self.last_look = Instant::now();
        let data_version = DataVersion.get_result(connection).ok();
        if data_version != self.core.data_version && data_version != self.foreign_version {
            // At once, since the batch may fail.
            self.shared.recent.clear(self.core.ledger.next_version());
            self.foreign_version = data_version;
            self.run_batch();
        }
    }

    /// Does a batch and answers its jobs. Without jobs it tries whether the database can be written.
    fn run_batch(&mut self) {
        let mut jobs = Vec::new();
        let outcome = catch_panic(|| self.write_batch(&mut jobs));
        self.core.marks.clear();
        match outcome {
            Ok(()) => {
                self.settle(jobs);
                self.tend_log();
            }
            Err(failure) => self.abandon(jobs, failure),
        }
    }

    /// Does jobs and brings them to the disk. What was begun is in `jobs`, also when that fails.
    fn write_batch(&mut self, jobs: &mut Vec<Job>) -> Result<(), Failure> {
        let Self { shared, connection, core, lanes, .. } = self;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.settings.open().map_err(source)?),
        };
        let time_max = core.switches.batch_time_max;
        let mut batch = Batch::begin(connection, core, &shared.recent, jobs).map_err(source)?;
        let started = Instant::now();
        while batch.len() < BATCH_JOBS_MAX && started.elapsed() < time_max {
            lanes.fill(&shared.queue);
            let Some(job) = lanes.pop() else { break };
            batch.run(job).map_err(source)?;
        }
        batch.commit(shared.health.is_failing())
    }

    /// The batch is on disk.
    fn settle(&mut self, mut jobs: Vec<Job>) {
        // The batch has looked itself, and its connection may be a new one, which counts anew.
        self.foreign_version = None;
        self.core.ledger.settle();
        let published = self.core.events.settle();
        // Before the sequence: who reads at it finds what it stands for.
        jobs.iter_mut().for_each(|job| job.settle(&self.shared.recent));
        // Before the answers: who got one finds its effects in the next snapshot.
        self.shared.frontier.advance(self.core.ledger.settled_sequence());
        if self.shared.health.note_success() {
            tracing::info!("the database can be written again");
        }
        self.shared.tally.add_batch(jobs.iter().filter(|job| job.is_confirmed_commit()).count());
        self.tell(published);
        for job in jobs {
            job.answer(Ok(()));
        }
    }

    /// Hands on what a batch published. Nothing may hang on that, also not the writer.
    fn tell(&self, published: Vec<Published>) {
        let Some(hook) = self.published.as_ref().filter(|_| !published.is_empty()) else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(published))) {
            tracing::error!(panic = message(panic.as_ref()), "whoever is told of published events panicked");
        }
    }

    fn tend_log(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = self.log.tend(connection, &self.snapshots) {
            tracing::warn!(%error, "the log is not copied into the database, which is whole all the same");
        }
        self.shared.log_bytes.store(self.log.bytes(), Ordering::Relaxed);
    }

    /// Nothing of the batch counts.
    fn abandon(&mut self, mut jobs: Vec<Job>, Failure { source, may_come_back }: Failure) {
        self.core.abandon();
        if self.shared.health.note_failure(Arc::clone(&source)) {
            tracing::error!(error = &*source as &dyn std::error::Error, "the database cannot be written");
        }
        let is_undone = if may_come_back && !jobs.is_empty() {
            self.write_over()
        } else {
            self.disconnect();
            true
        };
        if jobs.is_empty() {
            // Not even a transaction could be begun. Whoever waits has waited for that.
            jobs.extend(std::iter::from_fn(|| self.lanes.pop()));
        }
        self.last_failure = Instant::now();
        let error = if is_undone { StoreError::Unavailable(source) } else { StoreError::Unknown };
        for job in jobs {
            job.answer(Err(&error));
        }
    }

    /// Puts a batch of nothing in the place of one that failed at its end, before anybody is told that it failed.
    ///
    /// All of that one may be in the log, where the sync alone failed. The index of the log does not know of it, so the
    /// next batch begins at the same frame. But who makes the index anew, as the next process does after this one was
    /// killed, takes every whole batch that it finds for written. One frame in the place of the first prevents that,
    /// synced or not: a frame's checksum covers all before it, so the others do not fit any more.
    ///
    /// Returns whether it is there, as far as one can tell; it is not where this failed before its end.
    fn write_over(&mut self) -> bool {
        match catch_panic(|| self.write_nothing()) {
            Ok(()) => {
                self.settle(Vec::new());
                true
            }
            Err(Failure { source, may_come_back }) => {
                self.core.abandon();
                self.disconnect();
                let _known = self.shared.health.note_failure(source);
                may_come_back
            }
        }
    }

    /// Writes a batch of nothing, on a new connection.
    fn write_nothing(&mut self) -> Result<(), Failure> {
        // Before the other one is closed: SQLite's index of the log goes with the last connection.
        let opened = self.settings.open();
        self.disconnect();
        let connection = self.connection.insert(opened.map_err(source)?);
        let mut jobs = Vec::new();
        Batch::begin(connection, &mut self.core, &self.shared.recent, &mut jobs).map_err(source)?.commit(true)
    }

    fn disconnect(&mut self) {
        self.connection.take().into_iter().for_each(close);
    }
}

/// Makes a failure of a panic.
fn catch_panic(write: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|panic| {
        let panicked: Source = Arc::new(Panicked(message(panic.as_ref())));
        Err(panicked.into())
    })
}

/// Makes the calling thread one that waits its turn when it wakes up, with its whole share (`SCHED_BATCH`, sched(7)).
///
/// Else the scheduler gives it the processor of a call at once, and a batch begins with the few commits that are there.
/// That happens where this is refused, and where the process was started with another priority, which it keeps.
fn take_a_turn() {
    let Ok(priority) = ThreadPriorityValue::try_from(NICE_0) else { return };
    if rustix::process::getpriority_process(None) == Ok(0) {
        let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        let _refused =
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), batch);
    }
}

fn source(error: impl std::error::Error + Send + Sync + 'static) -> Source {
    Arc::new(error)
}

/// Returns what a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// Refuses what comes once the writer has ended, in whatever way.
struct EndOnDrop<'a>(&'a Queue);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    #[test]
    fn a_thread_that_takes_its_turn_keeps_its_share() {
        let nice = || rustix::process::getpriority_process(None).expect("each thread has one");
        thread::spawn(move || {
            let before = nice();
            take_a_turn();
            assert_eq!(nice(), before);
            if before == 0 {
                let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
                assert_eq!(thread_schedule_policy(), Ok(batch));
            }
        })
        .join()
        .expect("the thread ends");
    }
}
