//! Retention: what is deleted of the log, step by step.
//!
//! - An event goes when it is too old, or when the log is too large and it is the oldest; never before every
//!   subscription has it behind itself, and never while a retry or a dead letter names it.
//! - An event that was stored while the clock was ahead of now is as old as what came after it. Else it would keep
//!   everything behind it until its own time is over, because the log goes in its order.
//! - A pass goes through the log in order, as far as there is something to delete. What stays on its way because
//!   something names it is looked at again by the next pass.
//! - The progress of a subscription that nobody declares any more is deleted first, once its time is over.

use std::collections::HashSet;

use diesel::{prelude::*, upsert::excluded};

use super::{
    event::kept_bytes,
    log::{self, KEPT_FROM},
    subscriptions::DETACHED_KEPT_MS,
};
use crate::{
    keys::as_i64,
    schema::{counters, cursors, dead_letters, events, retries, subscriptions},
    size::blob_bytes,
};

/// Rows that one step looks at or deletes.
const ROWS_MAX: usize = 500;
/// Bytes after which a step ends.
const BYTES_MAX: i64 = 8 << 20;

/// What the log is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Events older than this go, in milliseconds since they were stored.
    pub age_ms: i64,
    /// The oldest events go while there are more bytes than this.
    pub bytes: u64,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectedEvents {
    /// Events that were deleted.
    pub events: usize,
    /// Bytes of them, as the log counts.
    pub bytes: u64,
    /// Rows of subscriptions that nobody declares any more that were deleted.
    pub detached: usize,
    /// Whether there is more to do at once.
    pub more: bool,
    /// The subscription for whose sake events are kept that are too old or too many.
    pub held_by: Option<HeldBy>,
}

/// A subscription that holds the log back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// Its number.
    pub subscription: i64,
    /// The plugin.
    pub plugin: String,
    /// Which topics it takes.
    pub pattern: String,
    /// The place of its hindmost cursor.
    pub cursor: i64,
}

/// What a step is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) limits: RetentionLimits,
    pub(crate) now_ms: i64,
    /// What the log holds now, in bytes.
    pub(crate) bytes: i64,
    /// The pass has come to here.
    pub(crate) after: i64,
}

/// An event that is gone.
pub(crate) struct Gone {
    pub(crate) plugin_id: i64,
    pub(crate) publisher: String,
    pub(crate) bytes: i64,
}

/// What a step did, where the next one begins, and what is gone.
pub(crate) struct Outcome {
    pub(crate) collected: CollectedEvents,
    pub(crate) after: i64,
    pub(crate) gone: Vec<Gone>,
}

/// An event's row, as far as a step looks at it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(diesel::sqlite::Sqlite))]
struct Head {
    seq: i64,
    plugin_id: i64,
    publisher: String,
    id: String,
    source: String,
    topic: String,
    key: Option<String>,
    stored_at_ms: i64,
    content_type: String,
    trace_parent: Option<String>,
}

impl Head {
    fn bytes(&self, payload_bytes: i64) -> i64 {
        let optional = [&self.key, &self.trace_parent].into_iter().flatten().map(String::len).sum::<usize>();
        let texts = self.publisher.len() + self.id.len() + self.source.len() + self.topic.len();
        kept_bytes(texts + self.content_type.len() + optional, payload_bytes)
    }
}

/// Deletes events that are not to be kept.
pub(crate) fn collect(connection: &mut SqliteConnection, step: Step) -> QueryResult<Outcome> {
    let rows: Vec<(Head, i64)> = events::table
        .filter(events::seq.gt(step.after))
        .order(events::seq)
        .select((Head::as_select(), blob_bytes(events::payload)))
        .limit(as_i64(ROWS_MAX))
        .load(connection)?;
    let mut outcome = Outcome { collected: CollectedEvents::default(), after: step.after, gone: Vec::new() };
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return Ok(outcome.end_pass()) };
    let (first, last, is_last_page) = (first.seq, last.seq, rows.len() < ROWS_MAX);
    let named = list_named(connection, first, last)?;
    let hindmost = find_hindmost(connection)?;
    let (mut bytes, mut deleted_to, mut old) = (step.bytes, 0, Old::new(step));
    for (head, payload_bytes) in rows {
        let is_over = bytes > i64::try_from(step.limits.bytes).unwrap_or(i64::MAX);
        if !is_over && !old.has(connection, &head)? {
            return outcome.finish(connection, deleted_to, true);
        }
        if let Some((cursor, subscription)) = hindmost.filter(|(cursor, _)| head.seq > *cursor) {
            outcome.collected.held_by = Some(held_by(connection, subscription, cursor)?);
            return outcome.finish(connection, deleted_to, true);
        }
        if outcome.collected.bytes.cast_signed() >= BYTES_MAX {
            return outcome.finish(connection, deleted_to, false);
        }
        outcome.after = head.seq;
        if !named.contains(&head.seq) {
            diesel::delete(events::table.find(head.seq)).execute(connection)?;
            let freed = head.bytes(payload_bytes);
            (bytes, deleted_to) = (bytes - freed, head.seq);
            outcome.collected.events += 1;
            outcome.collected.bytes += freed.unsigned_abs();
            outcome.gone.push(Gone { plugin_id: head.plugin_id, publisher: head.publisher, bytes: freed });
        }
    }
    outcome.finish(connection, deleted_to, is_last_page)
}

/// Tells which events are too old.
struct Old {
    now_ms: i64,
    age_ms: i64,
    /// One that is, and with it all before it.
    known_to: i64,
}

impl Old {
    fn new(step: Step) -> Self {
        Self { now_ms: step.now_ms, age_ms: step.limits.age_ms, known_to: 0 }
    }

    fn has(&mut self, connection: &mut SqliteConnection, head: &Head) -> QueryResult<bool> {
        if head.stored_at_ms > self.now_ms && head.seq > self.known_to {
            self.known_to = self.find_behind(connection, head.seq)?.unwrap_or(self.known_to);
        }
        Ok(head.seq <= self.known_to || self.is_old(head.stored_at_ms))
    }

    fn is_old(&self, stored_at_ms: i64) -> bool {
        self.now_ms.saturating_sub(stored_at_ms) > self.age_ms
    }

    /// Finds an old event behind one from the future. Such events come in a row, and what is behind it is younger the
    /// further away it is: so this looks further and further away, and then between where both ended.
    fn find_behind(&self, connection: &mut SqliteConnection, seq: i64) -> QueryResult<Option<i64>> {
        // From the future is all up to `low`; too young, or nothing, is what begins at `high`.
        let (mut low, mut high, mut distance) = (seq, None::<i64>, 1_i64);
        loop {
            let middle = match high {
                None => low.saturating_add(distance),
                Some(high) if high - low > 1 => low + (high - low) / 2,
                Some(_) => return Ok(None),
            };
            let next: Option<(i64, i64)> = events::table
                .filter(events::seq.ge(middle))
                .order(events::seq)
                .select((events::seq, events::stored_at_ms))
                .first(connection)
                .optional()?;
            match next {
                Some((place, stored_at_ms)) if self.is_old(stored_at_ms) => return Ok(Some(place)),
                Some((place, stored_at_ms)) if stored_at_ms > self.now_ms && high.is_none_or(|high| place < high) => {
                    (low, distance) = (place, distance.saturating_mul(2));
                }
                _ => high = Some(middle),
            }
        }
    }
}

impl Outcome {
    fn finish(self, connection: &mut SqliteConnection, deleted_to: i64, is_end: bool) -> QueryResult<Self> {
        if deleted_to > 0 && deleted_to >= log::kept_from(connection)? {
            let values = (counters::name.eq(KEPT_FROM), counters::value.eq(deleted_to + 1));
            diesel::insert_into(counters::table)
                .values(values)
                .on_conflict(counters::name)
                .do_update()
                .set(counters::value.eq(excluded(counters::value)))
                .execute(connection)?;
        }
        Ok(if is_end { self.end_pass() } else { self.go_on() })
    }

    fn go_on(mut self) -> Self {
        self.collected.more = true;
        self
    }

    fn end_pass(mut self) -> Self {
        self.after = 0;
        self
    }
}

/// Returns the events between two places, both included, that retries and dead letters name.
fn list_named(connection: &mut SqliteConnection, first: i64, last: i64) -> QueryResult<HashSet<i64>> {
    let tried = retries::table.filter(retries::seq.between(first, last)).select(retries::seq);
    let mut named: HashSet<i64> = tried.load(connection)?.into_iter().collect();
    let dead = dead_letters::table.filter(dead_letters::seq.between(first, last)).select(dead_letters::seq);
    named.extend(dead.load::<i64>(connection)?);
    Ok(named)
}

/// Returns the hindmost cursor, and whose it is.
fn find_hindmost(connection: &mut SqliteConnection) -> QueryResult<Option<(i64, i64)>> {
    cursors::table.order(cursors::seq).select((cursors::seq, cursors::subscription)).first(connection).optional()
}

fn held_by(connection: &mut SqliteConnection, subscription: i64, cursor: i64) -> QueryResult<HeldBy> {
    let names = subscriptions::table.find(subscription).select((subscriptions::plugin, subscriptions::pattern));
    let (plugin, pattern) = names.first(connection)?;
    Ok(HeldBy { subscription, plugin, pattern, cursor })
}

/// Deletes some rows of subscriptions that nobody declares for too long. Returns how many; there are no more when it is
/// less than 500.
pub(crate) fn delete_detached(connection: &mut SqliteConnection, now_ms: i64) -> QueryResult<usize> {
    let last_day = now_ms.saturating_sub(DETACHED_KEPT_MS);
    let closed: Vec<i64> = subscriptions::table
        .filter(subscriptions::closed_at_ms.le(last_day))
        .order(subscriptions::closed_at_ms)
        .select(subscriptions::id)
        .limit(as_i64(ROWS_MAX))
        .load(connection)?;
    let mut deleted = 0;
    for id in closed {
        deleted += delete_progress(connection, id, ROWS_MAX - deleted)?;
        if deleted >= ROWS_MAX {
            break;
        }
        diesel::delete(cursors::table.filter(cursors::subscription.eq(id))).execute(connection)?;
        diesel::delete(subscriptions::table.find(id)).execute(connection)?;
        deleted += 1;
    }
    Ok(deleted)
}

/// Deletes at most `rows_max` retries and dead letters of a subscription, and returns how many.
fn delete_progress(connection: &mut SqliteConnection, id: i64, rows_max: usize) -> QueryResult<usize> {
    let tried = retries::table.filter(retries::subscription.eq(id)).select(retries::seq).limit(as_i64(rows_max));
    let tried: Vec<i64> = tried.load(connection)?;
    for seq in &tried {
        diesel::delete(retries::table.find((id, seq))).execute(connection)?;
    }
    let rows_left = as_i64(rows_max - tried.len());
    let dead = dead_letters::table.filter(dead_letters::subscription.eq(id)).select(dead_letters::seq).limit(rows_left);
    let dead: Vec<i64> = dead.load(connection)?;
    for seq in &dead {
        diesel::delete(dead_letters::table.find((id, seq))).execute(connection)?;
    }
    Ok(tried.len() + dead.len())
}
