//! Deletes what a plugin keeps, step by step, because the operator said so.
//!
//! Unlike what expired, these keys were there for who read them a moment ago: such a call is run again.

use diesel::prelude::*;
use tokio::sync::oneshot;

use super::{Core, job::outcome, ledger::Usage, load::Charge};
use crate::{
    error::StoreError,
    plugins::find_id,
    recent::Recent,
    usage::{Deleted, delete_rows},
};

/// A step, and who waits for it.
pub(crate) struct Erasure {
    plugin: String,
    pub(super) outcome: Option<Result<Deleted, StoreError>>,
    /// Its place in the order of commits, once it ran.
    version: i64,
    done: oneshot::Sender<Result<Deleted, StoreError>>,
    _charge: Charge,
}

impl Erasure {
    pub(crate) fn new(plugin: String, done: oneshot::Sender<Result<Deleted, StoreError>>, charge: Charge) -> Self {
        Self { plugin, outcome: None, version: 0, done, _charge: charge }
    }

    pub(super) fn run(&mut self, connection: &mut SqliteConnection, core: &mut Core) -> QueryResult<()> {
        self.version = core.ledger.next_version();
        let deleted =
            core.attempt(connection, Some(&self.plugin), |connection, _| match find_id(connection, &self.plugin)? {
                Some(plugin_id) => Ok(Some((plugin_id, delete_rows(connection, plugin_id)?))),
                None => Ok(None),
            })?;
        self.outcome = Some(match deleted {
            Ok(Some((plugin_id, deleted))) => {
                note(connection, core, plugin_id, &deleted)?;
                Ok(deleted)
            }
            Ok(None) => Ok(Deleted::default()),
            Err(error) => Err(error),
        });
        Ok(())
    }

    /// Which keys those were nobody has noted.
    pub(super) fn settle(&self, recent: &Recent) {
        recent.clear(self.version);
    }

    pub(super) fn answer(self, fate: Result<(), &StoreError>) {
        // Who waited may have gone.
        let _ = self.done.send(outcome(self.outcome, fate));
    }
}

fn note(connection: &mut SqliteConnection, core: &mut Core, plugin_id: i64, deleted: &Deleted) -> QueryResult<()> {
    let (keys, bytes) = (deleted.keys.cast_signed(), deleted.bytes.cast_signed());
    core.ledger.give_back(connection, plugin_id, Usage { keys, bytes })?;
    // It takes a version as a commit does, which stands for all that it deleted.
    core.stamps.raise_floor(core.ledger.next_version());
    core.ledger.advance();
    Ok(())
}
