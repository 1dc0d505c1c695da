//! One batch: jobs that are done in one transaction.
//!
//! A job that the database fails under takes no other with it. That needs a savepoint around each, which costs every
//! commit a few hundredths of its time, for what hardly ever happens. So a batch is done without, and when a job fails
//! it begins anew, this time with savepoints: *carefully*. What a write of the host does cannot be done twice; from the
//! first one on a batch is careful.

use std::sync::Arc;

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager as _},
    prelude::*,
};

use super::{Core, job::Job, source};
use crate::{error::Source, recent::Recent};

/// A batch whose transaction is open.
pub(super) struct Batch<'a> {
    connection: &'a mut SqliteConnection,
    core: &'a mut Core,
    recent: &'a Recent,
    /// Those that ran, and those that began to.
    jobs: &'a mut Vec<Job>,
}

/// Why a batch is not on disk.
pub(super) struct Failure {
    pub(super) source: Source,
    /// Whether all of it may be in the log: then SQLite may find it there and take it for written.
    pub(super) may_come_back: bool,
}

/// What fails before the end leaves no batch in the log that could count.
impl From<Source> for Failure {
    fn from(source: Source) -> Self {
        Self { source, may_come_back: false }
    }
}

impl<'a> Batch<'a> {
    /// Begins one. What is done in it is put into `jobs`.
    pub(super) fn begin(
        connection: &'a mut SqliteConnection,
        core: &'a mut Core,
        recent: &'a Recent,
        jobs: &'a mut Vec<Job>,
    ) -> QueryResult<Self> {
        core.careful = false;
        let mut batch = Self { connection, core, recent, jobs };
        batch.open_transaction()?;
        Ok(batch)
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Does a job.
    ///
    /// # Errors
    /// When the batch cannot go on.
    pub(super) fn run(&mut self, job: Job) -> QueryResult<()> {
        self.core.careful |= job.runs_once();
        // Kept before it runs, so that it is answered even if it panics.
        self.jobs.push(job);
        let Some(job) = self.jobs.last_mut() else { return Ok(()) };
        let Err(error) = job.run(self.connection, self.core) else { return Ok(()) };
        if self.core.careful { Err(error) } else { self.run_all_again(error) }
    }

    fn run_all_again(&mut self, reason: diesel::result::Error) -> QueryResult<()> {
        if AnsiTransactionManager::rollback_transaction(self.connection).is_err() {
            // SQLite gave the transaction up itself, as on a full disk: it is not the job's fault.
            return Err(reason);
        }
        self.core.abandon();
        self.core.careful = true;
        self.open_transaction()?;
        self.jobs.iter_mut().try_for_each(|job| job.run(self.connection, self.core))
    }

    fn open_transaction(&mut self) -> QueryResult<()> {
        AnsiTransactionManager::begin_transaction_sql(self.connection, "BEGIN IMMEDIATE")?;
        self.core.refresh(self.connection, self.recent)
    }

    /// Brings the batch to the disk. With `force` something is written in any case.
    ///
    /// # Errors
    /// Also when every job failed: then it is not about the jobs.
    pub(super) fn commit(self, force: bool) -> Result<(), Failure> {
        let Self { connection, core, jobs, .. } = self;
        if let Some(failure) = jobs.first().and_then(Job::failure)
            && jobs.iter().all(|job| job.failure().is_some())
        {
            return Err(Arc::clone(failure).into());
        }
        core.ledger.store(connection, force).map_err(source)?;
        core.events.store(connection).map_err(source)?;
        AnsiTransactionManager::commit_transaction(connection)
            .map_err(|error| Failure { source: source(error), may_come_back: true })
    }
}
