//! What a delivery, or a run by the clock, changes in progress: part of the commit that holds its effects.
//!
//! A step names everything that it expects. Where one thing is otherwise, it is stale, and with it its commit. All of it
//! is checked before any of it is written, so it names each cursor and each row once.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{prelude::*, upsert::excluded};

use crate::{
    schema::{cursors, dead_letters, retries, schedules, subscriptions},
    statement::write,
};

/// A change of a subscription's progress, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose progress.
    pub subscription: i64,
    /// The epoch that it must have.
    pub epoch: i64,
    /// Cursors that move.
    pub cursors: Vec<CursorStep>,
    /// Rows of retries that come, change and go.
    pub retries: Vec<RetryStep>,
    /// Dead letters that come. Where there is one of that event already, it is replaced.
    pub dead_letters: Vec<DeadLetter>,
}

/// A cursor that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorStep {
    /// Which one.
    pub lane: u8,
    /// Where it must stand.
    pub from: i64,
    /// Where it goes.
    pub to: i64,
}

/// A row of retries that comes, changes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryStep {
    /// It comes; there must be no row of its event.
    Insert(RetryRow),
    /// It becomes `row`; the row of its event must have had `attempts`.
    Replace {
        /// Attempts that the row must have now.
        attempts: u32,
        /// What it becomes.
        row: RetryRow,
    },
    /// It goes; the row of its event must have these attempts.
    Remove {
        /// The event.
        seq: i64,
        /// Attempts that the row must have now.
        attempts: u32,
    },
}

/// An event that waits to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRow {
    /// The event.
    pub seq: i64,
    /// Its key.
    pub key: Option<Arc<str>>,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it may be tried, in Unix milliseconds.
    pub due_ms: i64,
    /// Why its last attempt failed.
    pub problem: Option<Problem>,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A word for machines.
    pub code: Arc<str>,
    /// A sentence for people.
    pub message: Arc<str>,
}

/// An event that nobody tries any more unless a person says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event.
    pub seq: i64,
    /// Its key.
    pub key: Option<Arc<str>>,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it died, in Unix milliseconds.
    pub at_ms: i64,
    /// Why.
    pub problem: Problem,
}

/// A change of a schedule's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleStep {
    /// Whose.
    pub schedule: i64,
    /// Up to where its slots must be dealt with, in Unix milliseconds.
    pub from: i64,
    /// Up to where they are then.
    pub to: i64,
    /// The run, where there was one: it is kept as the last.
    pub run: Option<ScheduleRun>,
}

/// A run by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRun {
    /// When it was, in Unix milliseconds.
    pub at_ms: i64,
    /// Why it failed, if it did.
    pub problem: Option<Problem>,
}

/// Why a step is not applied.
pub(crate) enum StepError {
    /// Something is not as it expects.
    Stale,
    /// The database did not do its part.
    Failed(diesel::result::Error),
}

impl From<diesel::result::Error> for StepError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

impl Step {
    /// Finds out whether everything is as it expects.
    pub(crate) fn check(&self, connection: &mut SqliteConnection) -> Result<(), StepError> {
        let epoch: Option<i64> = subscriptions::table
            .find(self.subscription)
            .select(subscriptions::epoch)
            .get_result(connection)
            .optional()?;
        require(epoch == Some(self.epoch))?;
        require(is_each_once(self.cursors.iter().map(|cursor| cursor.lane)))?;
        require(is_each_once(self.retries.iter().map(RetryStep::seq)))?;
        for cursor in &self.cursors {
            cursor.check(connection, self.subscription)?;
        }
        for retry in &self.retries {
            retry.check(connection, self.subscription)?;
        }
        Ok(())
    }

    /// Does it, once it was checked.
    pub(crate) fn write(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        for cursor in &self.cursors {
            cursor.write(connection, self.subscription)?;
        }
        for retry in &self.retries {
            retry.write(connection, self.subscription)?;
        }
        for dead in &self.dead_letters {
            dead.put(connection, self.subscription)?;
        }
        Ok(())
    }

    /// Returns about the memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let text = |key: &Option<Arc<str>>, problem: Option<&Problem>| {
            key.as_ref().map_or(0, |key| key.len()) + problem.map_or(0, |said| said.code.len() + said.message.len())
        };
        let retries = self.retries.iter().map(|retry| match retry {
            RetryStep::Insert(row) | RetryStep::Replace { row, .. } => text(&row.key, row.problem.as_ref()),
            RetryStep::Remove { .. } => 0,
        });
        let dead = self.dead_letters.iter().map(|dead| text(&dead.key, Some(&dead.problem)));
        size_of_val(&*self.cursors)
            + size_of_val(&*self.retries)
            + size_of_val(&*self.dead_letters)
            + retries.chain(dead).sum::<usize>()
    }
}

impl CursorStep {
    fn check(&self, connection: &mut SqliteConnection, subscription: i64) -> Result<(), StepError> {
        let at = cursors::table.find((subscription, i64::from(self.lane)));
        let stands: Option<i64> = at.select(cursors::seq).get_result(connection).optional()?;
        require(stands == Some(self.from))
    }

    fn write(&self, connection: &mut SqliteConnection, subscription: i64) -> QueryResult<()> {
        if self.from == self.to {
            return Ok(());
        }
        enum Move {}
        let at = cursors::table.find((subscription, i64::from(self.lane)));
        write::<Move>(connection, diesel::update(at).set(cursors::seq.eq(self.to)))
    }
}

impl RetryStep {
    fn seq(&self) -> i64 {
        match self {
            Self::Insert(row) | Self::Replace { row, .. } => row.seq,
            Self::Remove { seq, .. } => *seq,
        }
    }

    fn check(&self, connection: &mut SqliteConnection, subscription: i64) -> Result<(), StepError> {
        let expected = match self {
            Self::Insert(_) => None,
            Self::Replace { attempts, .. } | Self::Remove { attempts, .. } => Some(i64::from(*attempts)),
        };
        let at = retries::table.find((subscription, self.seq()));
        let attempts: Option<i64> = at.select(retries::attempts).get_result(connection).optional()?;
        require(attempts == expected)
    }

    fn write(&self, connection: &mut SqliteConnection, subscription: i64) -> QueryResult<()> {
        match self {
            Self::Insert(row) | Self::Replace { row, .. } => row.put(connection, subscription),
            Self::Remove { seq, .. } => {
                enum Remove {}
                write::<Remove>(connection, diesel::delete(retries::table.find((subscription, *seq))))
            }
        }
    }
}

impl RetryRow {
    pub(super) fn put(&self, connection: &mut SqliteConnection, subscription: i64) -> QueryResult<()> {
        enum Put {}
        let insert = diesel::insert_into(retries::table)
            .values((
                retries::subscription.eq(subscription),
                retries::seq.eq(self.seq),
                retries::key.eq(self.key.as_deref()),
                retries::attempts.eq(i64::from(self.attempts)),
                retries::due_ms.eq(self.due_ms),
                retries::code.eq(self.problem.as_ref().map(|problem| &*problem.code)),
                retries::message.eq(self.problem.as_ref().map(|problem| &*problem.message)),
            ))
            .on_conflict((retries::subscription, retries::seq))
            .do_update()
            .set((
                retries::attempts.eq(excluded(retries::attempts)),
                retries::due_ms.eq(excluded(retries::due_ms)),
                retries::code.eq(excluded(retries::code)),
                retries::message.eq(excluded(retries::message)),
            ));
        write::<Put>(connection, insert)
    }
}

impl DeadLetter {
    fn put(&self, connection: &mut SqliteConnection, subscription: i64) -> QueryResult<()> {
        enum Put {}
        let insert = diesel::insert_into(dead_letters::table)
            .values((
                dead_letters::subscription.eq(subscription),
                dead_letters::seq.eq(self.seq),
                dead_letters::key.eq(self.key.as_deref()),
                dead_letters::attempts.eq(i64::from(self.attempts)),
                dead_letters::at_ms.eq(self.at_ms),
                dead_letters::code.eq(&*self.problem.code),
                dead_letters::message.eq(&*self.problem.message),
            ))
            .on_conflict((dead_letters::subscription, dead_letters::seq))
            .do_update()
            .set((
                dead_letters::attempts.eq(excluded(dead_letters::attempts)),
                dead_letters::at_ms.eq(excluded(dead_letters::at_ms)),
                dead_letters::code.eq(excluded(dead_letters::code)),
                dead_letters::message.eq(excluded(dead_letters::message)),
            ));
        write::<Put>(connection, insert)
    }
}

impl ScheduleStep {
    /// Finds out whether everything is as it expects.
    pub(crate) fn check(&self, connection: &mut SqliteConnection) -> Result<(), StepError> {
        let at = schedules::table.find(self.schedule);
        let done_to: Option<i64> = at.select(schedules::done_to_ms).get_result(connection).optional()?;
        require(done_to == Some(self.from))
    }

    /// Does it, once it was checked.
    pub(crate) fn write(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let at = schedules::table.find(self.schedule);
        diesel::update(at).set(schedules::done_to_ms.eq(self.to)).execute(connection)?;
        if let Some(run) = &self.run {
            let problem = run.problem.as_ref();
            diesel::update(at)
                .set((
                    schedules::last_run_ms.eq(run.at_ms),
                    schedules::last_code.eq(problem.map(|problem| &*problem.code)),
                    schedules::last_message.eq(problem.map(|problem| &*problem.message)),
                ))
                .execute(connection)?;
        }
        Ok(())
    }
}

fn is_each_once(names: impl IntoIterator<Item = impl Ord>) -> bool {
    let mut seen = BTreeSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

fn require(is_as_expected: bool) -> Result<(), StepError> {
    if is_as_expected { Ok(()) } else { Err(StepError::Stale) }
}
