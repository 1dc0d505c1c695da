//! One commit, from what it read to what it writes.
//!
//! Everything for which it may be refused is decided before anything is written, so a refused commit has nothing to
//! undo. What it changes in memory follows once all is written, for the same reason: see `batch` for what is done where
//! the database fails in between.

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
    replies::{self, Place},
    space::Quota,
};

/// Does a commit.
///
/// # Errors
/// When it is refused, nothing of it is done. When the database fails, nothing in memory.
pub(super) fn apply(connection: &mut SqliteConnection, core: &mut Core, commit: &Commit) -> Result<Committed, Stop> {
    check_steps(connection, commit)?;
    let known = validate(connection, core, commit)?;
    let plugin_id = commit.space.id();
    let plan = plan(connection, commit, known)?;
    let (place, reply) = place_reply(connection, commit)?;
    let before = core.ledger.usage(connection, plugin_id)?;
    let after = before.plus(plan.change).plus(reply);
    check_quota(commit.space.quota(), before, after)?;
    let publication = publish::plan(connection, &mut core.events, commit)?;
    // From here on nothing is refused.
    let version = core.ledger.next_version();
    write_steps(connection, commit)?;
    if let Some(reply) = &commit.reply {
        replies::insert(connection, plugin_id, reply, place)?;
    }
    write(connection, commit, &plan, version)?;
    publication.write(connection, commit)?;
    // From here on nothing fails.
    let events = publication.settle(&mut core.events, commit);
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
fn check_steps(connection: &mut SqliteConnection, commit: &Commit) -> Result<(), StepError> {
    if let Some(step) = &commit.step {
        step.check(connection)?;
    }
    if let Some(step) = &commit.schedule_step {
        step.check(connection)?;
    }
    Ok(())
}

fn write_steps(connection: &mut SqliteConnection, commit: &Commit) -> QueryResult<()> {
    if let Some(step) = &commit.step {
        step.write(connection)?;
    }
    if let Some(step) = &commit.schedule_step {
        step.write(connection)?;
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

/// Returns where the reply goes, and by how much it changes what the plugin keeps.
fn place_reply(connection: &mut SqliteConnection, commit: &Commit) -> Result<(Place, Usage), Stop> {
    let Some(reply) = &commit.reply else { return Ok((Place::Free, Usage::default())) };
    let place = replies::find_place(connection, commit.space.id(), reply, commit.now_ms)?;
    let replaced_bytes = match place {
        Place::Taken => return Err(CommitError::ReplyExists.into()),
        Place::Expired { bytes } => bytes,
        Place::Free => 0,
    };
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Ok((place, Usage { keys: 0, bytes: bytes(reply.bytes()).saturating_sub(bytes(replaced_bytes)) }))
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
