//! The numbers that the writer keeps in memory: the sequence, and what each plugin keeps.
//!
//! They run ahead during a batch. [`Ledger::settle`] makes that the truth once the batch is on disk,
//! [`Ledger::abandon`] takes it back when it is not; so they never differ from the database.

use std::collections::HashMap;

use diesel::{prelude::*, upsert::excluded};

use super::ahead::Ahead;
use crate::{schema::usage, sequence, statement::write};

/// What a plugin keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) keys: i64,
    pub(super) bytes: i64,
}

impl Usage {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { keys: self.keys.saturating_add(other.keys), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// The sequence, and what plugins keep as far as somebody asked.
pub(super) struct Ledger {
    sequence: Ahead<i64>,
    usage: HashMap<i64, Ahead<Usage>>,
    /// The plugins whose usage this batch changed.
    changed: Vec<i64>,
}

impl Ledger {
    /// Reads the sequence.
    pub(super) fn load(connection: &mut SqliteConnection) -> QueryResult<Self> {
        let sequence = sequence::load(connection)?;
        Ok(Self { sequence: Ahead::new(sequence), usage: HashMap::new(), changed: Vec::new() })
    }

    /// Reads everything anew, because another process wrote. For the beginning of a batch.
    pub(super) fn reload(&mut self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let sequence = sequence::load(connection)?.max(self.sequence.settled);
        self.sequence = Ahead::new(sequence);
        self.usage.clear();
        self.changed.clear();
        Ok(())
    }

    /// Returns the newest version that is on disk.
    pub(super) fn settled_sequence(&self) -> i64 {
        self.sequence.settled
    }

    /// Returns the version that the next commit gets.
    pub(super) fn next_version(&self) -> i64 {
        self.sequence.current + 1
    }

    /// Notes that a commit took the next version.
    pub(super) fn advance(&mut self) {
        self.sequence.current += 1;
    }

    /// Returns what a plugin keeps, this batch's commits counted in.
    pub(super) fn usage(&mut self, connection: &mut SqliteConnection, plugin_id: i64) -> QueryResult<Usage> {
        if let Some(known) = self.usage.get(&plugin_id) {
            return Ok(known.current);
        }
        let found: Option<(i64, i64)> =
            usage::table.find(plugin_id).select((usage::keys, usage::bytes)).get_result(connection).optional()?;
        let found = found.map(|(keys, bytes)| Usage { keys, bytes }).unwrap_or_default();
        self.usage.insert(plugin_id, Ahead::new(found));
        Ok(found)
    }

    /// Notes what a plugin keeps now.
    pub(super) fn set_usage(&mut self, plugin_id: i64, current: Usage) {
        let Some(known) = self.usage.get_mut(&plugin_id) else { return };
        if known.current == known.settled && !self.changed.contains(&plugin_id) {
            self.changed.push(plugin_id);
        }
        known.current = current;
    }

    /// Notes that rows of a plugin are gone.
    pub(super) fn give_back(
        &mut self,
        connection: &mut SqliteConnection,
        plugin_id: i64,
        gone: Usage,
    ) -> QueryResult<()> {
        let before = self.usage(connection, plugin_id)?;
        self.set_usage(plugin_id, before.plus(Usage { keys: -gone.keys, bytes: -gone.bytes }));
        Ok(())
    }

    /// Writes what changed, for the end of a batch. With `force` something is written in any case.
    pub(super) fn store(&self, connection: &mut SqliteConnection, force: bool) -> QueryResult<()> {
        for plugin_id in &self.changed {
            if let Some(known) = self.usage.get(plugin_id) {
                store_usage(connection, *plugin_id, known.current)?;
            }
        }
        if force || self.sequence.current != self.sequence.settled {
            sequence::store(connection, self.sequence.current)?;
        }
        Ok(())
    }

    /// The batch is on disk.
    pub(super) fn settle(&mut self) {
        self.sequence.settle();
        for plugin_id in self.changed.drain(..) {
            if let Some(known) = self.usage.get_mut(&plugin_id) {
                known.settle();
            }
        }
    }

    /// The batch is not on disk.
    pub(super) fn abandon(&mut self) {
        self.sequence.abandon();
        for plugin_id in self.changed.drain(..) {
            if let Some(known) = self.usage.get_mut(&plugin_id) {
                known.abandon();
            }
        }
    }
}

fn store_usage(connection: &mut SqliteConnection, plugin_id: i64, current: Usage) -> QueryResult<()> {
    enum StoreUsage {}
    let query = diesel::insert_into(usage::table)
        .values((usage::plugin_id.eq(plugin_id), usage::keys.eq(current.keys), usage::bytes.eq(current.bytes)))
        .on_conflict(usage::plugin_id)
        .do_update()
        .set((usage::keys.eq(excluded(usage::keys)), usage::bytes.eq(excluded(usage::bytes))));
    write::<StoreUsage>(connection, query)
}
