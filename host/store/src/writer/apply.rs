//! One commit, from what it read to what it writes.
//!
//! What may be refused is decided before anything is written, so most commits need no savepoint: there is nothing to undo.
//! The steps of deliveries and kept replies look while they write; commits with those have one.

use std::sync::Arc;

use diesel::prelude::*;

use super::{
    Core,
    ledger::Usage,
    plan::{Action, Plan, Stop, plan},
    publish,
    validate::{Known, Validation},
};
use crate::{
    commit::{Commit, CommitError, Committed, Resource},
    events::StepError,
    keys::{self, Name},
    replies::{self, Insertion},
    space::Quota,
    statement::in_savepoint,
};

/// Does a commit, or says why not; then nothing of it is done.
///
/// # Errors
/// When the database fails in a way that the batch does not survive.
pub(super) fn apply(
    connection: &mut SqliteConnection,
    core: &mut Core,
    commit: &Commit,
) -> QueryResult<Result<Committed, CommitError>> {
    if !looks_while_it_writes(commit) {
        return match apply_all(connection, core, commit) {
            Ok(committed) => Ok(Ok(committed)),
            Err(Stop::Refused(error)) => Ok(Err(error)),
            Err(Stop::Failed(error)) => Err(error),
        };
    }
    let outcome = in_savepoint(connection, |connection| apply_all(connection, core, commit));
    let outcome = outcome.map_err(|lost| match lost.job {
        // The first error is the cause of the other.
        Some(Stop::Failed(error)) => error,
        _ => lost.error,
    })?;
    Ok(outcome.map_err(|stop| match stop {
        Stop::Refused(error) => error,
        Stop::Failed(error) => CommitError::Unavailable(Arc::new(error)),
    }))
}

/// Returns whether the commit may be refused when a part of it is written.
fn looks_while_it_writes(commit: &Commit) -> bool {
    commit.step.is_some() || commit.schedule_step.is_some() || commit.reply.is_some()
}

fn apply_all(connection: &mut SqliteConnection, core: &mut Core, commit: &Commit) -> Result<Committed, Stop> {
    apply_steps(connection, commit)?;
    let known = validate(connection, core, commit)?;
    let plugin_id = commit.space.id();
    let plan = plan(connection, commit, known)?;
    let reply = keep_reply(connection, commit)?;
    let before = core.ledger.usage(connection, plugin_id)?;
    let after = before.plus(plan.change).plus(reply);
    check_quota(commit.space.quota(), before, after)?;
    let version = core.ledger.next_version();
    let publication = publish::plan(connection, &mut core.events, commit)?;
    write(connection, commit, &plan, version)?;
    let events = publication.write(connection, &mut core.events, commit)?;
    core.ledger.advance();
    core.ledger.set_usage(plugin_id, after);
    for (write, action) in commit.writes.iter().zip(&plan.actions) {
        if *action != Action::Nothing {
            core.stamps.note(Name { plugin_id, bucket: &write.bucket, key: &write.key }, version);
        }
    }
    if let Some(mark) = &commit.mark {
        core.marks.note(mark, version);
    }
    Ok(Committed { version, events })
}

fn validate<'a>(connection: &mut SqliteConnection, core: &Core, commit: &'a Commit) -> Result<Known<'a>, Stop> {
    if core.switches.trust_reads {
        return Ok(Known::default());
    }
    let validation = Validation { commit, stamps: &core.stamps, marks: &core.marks };
    Ok(validation.check(connection)?.ok_or(CommitError::Conflict)?)
}

/// First of all: a delivery that was overtaken is not worth another run.
fn apply_steps(connection: &mut SqliteConnection, commit: &Commit) -> Result<(), Stop> {
    if let Some(step) = &commit.step {
        step.apply(connection)?;
    }
    if let Some(step) = &commit.schedule_step {
        step.apply(connection)?;
    }
    Ok(())
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Stale => Self::Refused(CommitError::Stale),
            StepError::Failed(error) => Self::Failed(error),
        }
    }
}

/// Returns by how much the reply changes what the plugin keeps.
fn keep_reply(connection: &mut SqliteConnection, commit: &Commit) -> Result<Usage, Stop> {
    let Some(reply) = &commit.reply else { return Ok(Usage::default()) };
    match replies::insert(connection, commit.space.id(), reply, commit.now_ms)? {
        Insertion::Exists => Err(CommitError::ReplyExists.into()),
        Insertion::Inserted { replaced_bytes } => {
            let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            Ok(Usage { keys: 0, bytes: bytes(reply.bytes()).saturating_sub(bytes(replaced_bytes)) })
        }
    }
}

/// A plugin over its quota, because that was lowered, may still write what makes it keep less.
fn check_quota(quota: Quota, before: Usage, after: Usage) -> Result<(), CommitError> {
    let exceeds = |before: i64, after: i64, max: u64| after > before && u64::try_from(after).is_ok_and(|n| n > max);
    if exceeds(before.keys, after.keys, quota.keys) {
        return Err(CommitError::QuotaExceeded { resource: Resource::Keys, max: quota.keys });
    }
    if exceeds(before.bytes, after.bytes, quota.bytes) {
        return Err(CommitError::QuotaExceeded { resource: Resource::Bytes, max: quota.bytes });
    }
    Ok(())
}

fn write(connection: &mut SqliteConnection, commit: &Commit, plan: &Plan<'_>, version: i64) -> QueryResult<()> {
    for (write, action) in commit.writes.iter().zip(&plan.actions) {
        let name = Name { plugin_id: commit.space.id(), bucket: &write.bucket, key: &write.key };
        match action {
            Action::Put { value, expires_at_ms } => keys::put(connection, name, value, version, *expires_at_ms)?,
            Action::Delete => keys::delete(connection, name)?,
            Action::Nothing => {}
        }
    }
    Ok(())
}
