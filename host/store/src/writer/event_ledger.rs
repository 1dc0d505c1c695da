//! What the writer knows of the log of events: its end, what each publisher has in it, and what this batch published.
//!
//! As the [`Ledger`](super::ledger::Ledger) it runs ahead during a batch, and never differs from the database after it.

use std::collections::HashMap;

use diesel::{prelude::*, upsert::excluded};

use super::ahead::Ahead;
use crate::{
    events::{NewEvent, Published, head},
    schema::event_usage,
    statement::write,
};

/// Publishers that are remembered between batches.
const PUBLISHERS_MAX: usize = 10_000;

/// What may be in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogBounds {
    /// All in all, in bytes.
    pub(crate) bytes_max: u64,
    /// Of one publisher, in bytes.
    pub(crate) source_bytes_max: u64,
}

/// What the log has of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct EventUsage {
    pub(super) events: i64,
    pub(super) bytes: i64,
}

impl EventUsage {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { events: self.events.saturating_add(other.events), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// What there is of each plugin's publishers: itself, and of the host's space every client.
type ByPublisher<T> = HashMap<i64, HashMap<Box<str>, T>>;

/// The end of the log, and what publishers have in it as far as somebody asked.
pub(super) struct EventLedger {
    bounds: LogBounds,
    head: Ahead<i64>,
    bytes: Ahead<i64>,
    usage: ByPublisher<Ahead<EventUsage>>,
    /// The publishers whose usage this batch changed.
    changed: Vec<(i64, Box<str>)>,
    /// What this batch published, in order.
    published: Vec<Published>,
    /// How far the deletion of old events came in its pass.
    pub(super) collected_to: i64,
}

impl EventLedger {
    pub(super) fn load(connection: &mut SqliteConnection, bounds: LogBounds) -> QueryResult<Self> {
        Ok(Self {
            bounds,
            head: Ahead::new(head(connection)?),
            bytes: Ahead::new(load_bytes(connection)?),
            usage: HashMap::new(),
            changed: Vec::new(),
            published: Vec::new(),
            collected_to: 0,
        })
    }

    /// Reads everything anew, because another process wrote. For the beginning of a batch.
    pub(super) fn reload(&mut self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let head = head(connection)?.max(self.head.settled);
        *self = Self { head: Ahead::new(head), ..Self::load(connection, self.bounds)? };
        Ok(())
    }

    /// Returns the place of the newest event, this batch's counted in.
    pub(super) fn head(&self) -> i64 {
        self.head.current
    }

    /// Returns what the log holds, in bytes.
    pub(super) fn bytes(&self) -> i64 {
        self.bytes.current
    }

    /// Returns the bound that a publisher breaks by adding to what the log has of it.
    pub(super) fn find_broken(
        &mut self,
        connection: &mut SqliteConnection,
        plugin_id: i64,
        publisher: &str,
        added: EventUsage,
    ) -> QueryResult<Option<u64>> {
        let exceeds = |bytes: i64, max: u64| u64::try_from(bytes).is_ok_and(|bytes| bytes > max);
        let of_publisher = self.usage(connection, plugin_id, publisher)?.plus(added);
        let LogBounds { bytes_max, source_bytes_max } = self.bounds;
        if exceeds(self.bytes.current.saturating_add(added.bytes), bytes_max) {
            return Ok(Some(bytes_max));
        }
        Ok(exceeds(of_publisher.bytes, source_bytes_max).then_some(source_bytes_max))
    }

    /// Notes that a commit wrote an event to the next place.
    pub(super) fn note_published(&mut self, event: &NewEvent, seq: i64) {
        self.published.push(Published { event: event.at(seq), after: self.head.current });
        self.head.current = seq;
    }

    /// Notes that the log has more, or less, of a publisher whose usage was asked for before.
    pub(super) fn add(&mut self, plugin_id: i64, publisher: &str, change: EventUsage) {
        self.bytes.current = self.bytes.current.saturating_add(change.bytes);
        let Some(known) = find(&mut self.usage, plugin_id, publisher) else { return };
        let is_this = |changed: &(i64, Box<str>)| changed.0 == plugin_id && *changed.1 == *publisher;
        if known.current == known.settled && !self.changed.iter().any(is_this) {
            self.changed.push((plugin_id, publisher.into()));
        }
        known.current = known.current.plus(change);
    }

    /// Returns what the log has of a publisher, this batch's commits counted in.
    pub(super) fn usage(
        &mut self,
        connection: &mut SqliteConnection,
        plugin_id: i64,
        publisher: &str,
    ) -> QueryResult<EventUsage> {
        if let Some(known) = find(&mut self.usage, plugin_id, publisher) {
            return Ok(known.current);
        }
        let columns = (event_usage::events, event_usage::bytes);
        let found: Option<(i64, i64)> =
            event_usage::table.find((plugin_id, publisher)).select(columns).get_result(connection).optional()?;
        let found = found.map(|(events, bytes)| EventUsage { events, bytes }).unwrap_or_default();
        self.usage.entry(plugin_id).or_default().insert(publisher.into(), Ahead::new(found));
        Ok(found)
    }

    /// Writes what changed, for the end of a batch.
    pub(super) fn store(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        for (plugin_id, publisher) in &self.changed {
            if let Some(known) = self.usage.get(plugin_id).and_then(|of_plugin| of_plugin.get(publisher)) {
                store_usage(connection, *plugin_id, publisher, known.current)?;
            }
        }
        Ok(())
    }

    /// The batch is on disk. Returns what it published.
    pub(super) fn settle(&mut self) -> Vec<Published> {
        self.head.settle();
        self.bytes.settle();
        for (plugin_id, publisher) in self.changed.drain(..) {
            if let Some(known) = find(&mut self.usage, plugin_id, &publisher) {
                known.settle();
            }
        }
        if self.usage.values().map(HashMap::len).sum::<usize>() > PUBLISHERS_MAX {
            self.usage.clear();
        }
        std::mem::take(&mut self.published)
    }

    /// The batch is not on disk.
    pub(super) fn abandon(&mut self) {
        self.head.abandon();
        self.bytes.abandon();
        for (plugin_id, publisher) in self.changed.drain(..) {
            if let Some(known) = find(&mut self.usage, plugin_id, &publisher) {
                known.abandon();
            }
        }
        self.published.clear();
        self.collected_to = 0;
    }
}

fn load_bytes(connection: &mut SqliteConnection) -> QueryResult<i64> {
    // Summed here: the sum of whole numbers is one of arbitrary precision to diesel.
    let all: Vec<i64> = event_usage::table.select(event_usage::bytes).load(connection)?;
    Ok(all.into_iter().fold(0, i64::saturating_add))
}

fn find<'a, T>(usage: &'a mut ByPublisher<T>, plugin_id: i64, publisher: &str) -> Option<&'a mut T> {
    usage.get_mut(&plugin_id)?.get_mut(publisher)
}

fn store_usage(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    publisher: &str,
    current: EventUsage,
) -> QueryResult<()> {
    if current.events <= 0 {
        return diesel::delete(event_usage::table.find((plugin_id, publisher))).execute(connection).map(drop);
    }
    enum StoreEventUsage {}
    let query = diesel::insert_into(event_usage::table)
        .values((
            event_usage::plugin_id.eq(plugin_id),
            event_usage::publisher.eq(publisher),
            event_usage::events.eq(current.events),
            event_usage::bytes.eq(current.bytes),
        ))
        .on_conflict((event_usage::plugin_id, event_usage::publisher))
        .do_update()
        .set((
            event_usage::events.eq(excluded(event_usage::events)),
            event_usage::bytes.eq(excluded(event_usage::bytes)),
        ));
    write::<StoreEventUsage>(connection, query)
}
