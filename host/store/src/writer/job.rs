//! What the writer is asked to do. Every job is answered once, whatever happens to it.

use std::sync::atomic::Ordering;

use diesel::prelude::*;
use tokio::sync::oneshot;

use super::{Core, apply::apply, erasure::Erasure, ledger::Usage, load::Charge, retention::Retention};
use crate::{
    collect::{Collected, Freed, collect},
    commit::{Change, Commit, CommitError, Committed, KeyWrite, Mark, REFUSED},
    error::{Source, StoreError},
    keys::{Name, end},
    recent::Recent,
    statement::in_savepoint,
};

/// What a job of the host is taken to cost.
const HOST_COST: usize = 8;
/// As many bytes of a commit cost as much as a row: a page of the database.
const PAGE_BYTES: usize = 4096;

/// Something for the writer to do.
pub(crate) enum Job {
    Commit(Box<Submission>),
    Write(HostWrite),
    Collect(Box<Collection>),
    Erase(Box<Erasure>),
    Retain(Box<Retention>),
}

/// Who waits for a job: jobs of one lane are done in order, lanes take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    Host,
    Space(i64),
}

impl Job {
    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::Commit(submission) => Lane::Space(submission.commit.space.id()),
            Self::Write(_) | Self::Collect(_) | Self::Erase(_) | Self::Retain(_) => Lane::Host,
        }
    }

    /// Returns about what the job costs: one for each row that it looks at or writes, and for each page's bytes.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Commit(submission) => submission.cost(),
            Self::Write(_) | Self::Collect(_) | Self::Erase(_) | Self::Retain(_) => HOST_COST,
        }
    }

    /// Does the job within a batch.
    ///
    /// # Errors
    /// When the batch cannot go on.
    pub(super) fn run(&mut self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<()> {
        match self {
            Self::Commit(submission) => submission.run(connection, core)?,
            Self::Write(write) => {
                let run = |connection: &mut SqliteConnection| if write.work.run(connection) { Ok(()) } else { Err(()) };
                // The closure keeps its own result.
                let _ = in_savepoint(connection, run)?;
            }
            Self::Collect(collection) => collection.run(connection, core)?,
            Self::Erase(erasure) => erasure.run(connection, core)?,
            Self::Retain(retention) => retention.run(connection, core)?,
        }
        Ok(())
    }

    /// Returns whether the job cannot be run a second time.
    pub(super) fn runs_once(&self) -> bool {
        matches!(self, Self::Write(_))
    }

    /// Returns what the database said when it failed under the job.
    pub(super) fn failure(&self) -> Option<&Source> {
        match self {
            Self::Commit(submission) => match &submission.outcome {
                Some(Err(CommitError::Unavailable(source))) => Some(source),
                _ => None,
            },
            // What a write of the host ended with is its own.
            Self::Write(_) => None,
            Self::Collect(collection) => failure(collection.outcome.as_ref()),
            Self::Erase(erasure) => failure(erasure.outcome.as_ref()),
            Self::Retain(retention) => failure(retention.outcome.as_ref()),
        }
    }

    /// Brings what the job wrote to those who read from memory: its batch is on disk.
    pub(super) fn settle(&mut self, recent: &Recent) {
        match self {
            Self::Commit(submission) => submission.settle(recent),
            Self::Collect(collection) => collection.settle(recent),
            Self::Erase(erasure) => erasure.settle(recent),
            Self::Write(_) | Self::Retain(_) => {}
        }
    }

    /// Returns whether this is a commit that is written if its batch is.
    pub(super) fn is_confirmed_commit(&self) -> bool {
        matches!(self, Self::Commit(submission) if matches!(submission.outcome, Some(Ok(_))))
    }

    /// Answers the job: with what came of it when its batch is on disk, else with the reason why it is not.
    pub(crate) fn answer(self, fate: Result<(), &StoreError>) {
        match self {
            Self::Commit(submission) => submission.answer(fate),
            Self::Write(write) => write.work.answer(fate),
            Self::Collect(collection) => collection.answer(fate),
            Self::Erase(erasure) => erasure.answer(fate),
            Self::Retain(retention) => retention.answer(fate),
        }
    }
}

/// A commit and who waits for it.
pub(crate) struct Submission {
    commit: Commit,
    mark: Undecided,
    outcome: Option<Result<Committed, CommitError>>,
    done: oneshot::Sender<Result<Committed, CommitError>>,
    charge: Charge,
}

impl Submission {
    pub(crate) fn new(commit: Commit, done: oneshot::Sender<Result<Committed, CommitError>>, charge: Charge) -> Self {
        let mark = Undecided(commit.mark.clone());
        Self { commit, mark, outcome: None, done, charge }
    }

    fn cost(&self) -> usize {
        let Commit { reads, writes, events, .. } = &self.commit;
        1 + reads.len() + writes.len() + events.len() + self.charge.bytes() / PAGE_BYTES
    }

    fn run(&mut self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<()> {
        let plugin = Some(self.commit.space.plugin());
        self.outcome =
            Some(core.attempt(connection, plugin, |connection, core| apply(connection, core, &self.commit))?);
        Ok(())
    }

    fn settle(&mut self, recent: &Recent) {
        let Some(Ok(Committed { version, .. })) = self.outcome else { return };
        let now_ms = self.commit.now_ms;
        for KeyWrite { bucket, key, change } in std::mem::take(&mut self.commit.writes) {
            let name = Name { plugin_id: self.commit.space.id(), bucket: &bucket, key: &key };
            match change {
                Change::Set { value, ttl_ms } if ttl_ms != Some(0) => {
                    recent.write(name, value, ttl_ms.map(|ttl| end(now_ms, ttl)), version);
                }
                // The sum of an increment is read from the database.
                Change::Set { .. } | Change::Delete | Change::Increment { .. } => recent.forget(name, version),
            }
        }
    }

    /// Says what came of the commit: first by its mark, then to who waits.
    fn answer(mut self, fate: Result<(), &StoreError>) {
        let outcome = outcome(self.outcome, fate);
        self.mark.decide(outcome.as_ref().map_or(REFUSED, |committed: &Committed| committed.version));
        // Who waited may have gone.
        let _ = self.done.send(outcome);
    }
}

pub(super) fn outcome<T, E: From<StoreError>>(
    outcome: Option<Result<T, E>>,
    fate: Result<(), &StoreError>,
) -> Result<T, E> {
    match fate {
        Ok(()) => outcome.unwrap_or_else(|| Err(StoreError::Unknown.into())),
        Err(error) => Err(error.clone().into()),
    }
}

fn failure<T>(outcome: Option<&Result<T, StoreError>>) -> Option<&Source> {
    match outcome {
        Some(Err(StoreError::Unavailable(source))) => Some(source),
        _ => None,
    }
}

/// The mark of a commit, until its version is left there. Of a commit that ends in any other way than by an answer it
/// says that it was not written, so that nobody relies on it.
struct Undecided(Option<Mark>);

impl Undecided {
    fn decide(&mut self, version: i64) {
        if let Some(mark) = self.0.take() {
            mark.store(version, Ordering::SeqCst);
        }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        self.decide(REFUSED);
    }
}

/// A write of the host.
pub(crate) struct HostWrite {
    work: Box<dyn Work>,
    _charge: Charge,
}

impl HostWrite {
    pub(crate) fn new(work: Box<dyn Work>, charge: Charge) -> Self {
        Self { work, _charge: charge }
    }
}

/// A write of the host, whatever its types.
pub(crate) trait Work: Send {
    /// Does it. Returns whether what it wrote is to be kept.
    fn run(&mut self, connection: &mut SqliteConnection) -> bool;

    /// Hands its result to who waits, or the reason why it is not on disk.
    fn answer(self: Box<Self>, fate: Result<(), &StoreError>);
}

/// A closure, its result once it ran, and who waits for it.
pub(crate) struct Closure<F, T, E> {
    closure: Option<F>,
    result: Option<Result<T, E>>,
    done: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Closure<F, T, E> {
    pub(crate) fn new(closure: F, done: oneshot::Sender<Result<T, E>>) -> Self {
        Self { closure: Some(closure), result: None, done }
    }
}

impl<F, T, E> Work for Closure<F, T, E>
where
    F: FnOnce(&mut SqliteConnection) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, connection: &mut SqliteConnection) -> bool {
        self.result = self.closure.take().map(|closure| closure(connection));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, fate: Result<(), &StoreError>) {
        // Who waited may have gone.
        let _ = self.done.send(outcome(self.result, fate));
    }
}

/// A step of deleting what expired, and who waits for it.
pub(crate) struct Collection {
    now_ms: i64,
    freed: Vec<Freed>,
    outcome: Option<Result<Collected, StoreError>>,
    done: oneshot::Sender<Result<Collected, StoreError>>,
    _charge: Charge,
}

impl Collection {
    pub(crate) fn new(now_ms: i64, done: oneshot::Sender<Result<Collected, StoreError>>, charge: Charge) -> Self {
        Self { now_ms, freed: Vec::new(), outcome: None, done, _charge: charge }
    }

    fn run(&mut self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<()> {
        let step = core.attempt(connection, None, |connection, _| Ok(collect(connection, self.now_ms)?))?;
        let (mut collected, rows) = match step {
            Ok(step) => step,
            Err(error) => {
                self.outcome = Some(Err(error));
                return Ok(());
            }
        };
        if !rows.is_empty() {
            // Like a commit it has a place in the order: who read a row before that does not come after it.
            collected.version = core.ledger.next_version();
            core.ledger.advance();
        }
        for row in &rows {
            let gone = Usage { keys: i64::from(row.key.is_some()), bytes: row.bytes };
            core.ledger.give_back(connection, row.plugin_id, gone)?;
            if let Some(name) = row.key() {
                core.stamps.note(name, collected.version);
            }
        }
        self.freed = rows;
        self.outcome = Some(Ok(collected));
        Ok(())
    }

    fn settle(&self, recent: &Recent) {
        let Some(Ok(Collected { version, .. })) = self.outcome else { return };
        self.freed.iter().filter_map(Freed::key).for_each(|name| recent.forget(name, version));
    }

    fn answer(self, fate: Result<(), &StoreError>) {
        // Who waited may have gone.
        let _ = self.done.send(outcome(self.outcome, fate));
    }
}
