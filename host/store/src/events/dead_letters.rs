//! Dead letters: events that wait for a person.

use diesel::prelude::*;

use super::{
    retries::{self, RETRIES_PER_SUBSCRIPTION_MAX},
    step::{DeadLetter, Problem, RetryRow},
};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{cursors, dead_letters, events, retries as retry_rows},
};

/// Dead letters that one change takes at most.
const CHANGE_ROWS_MAX: usize = 500;

/// A dead letter, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// The subscription that did not take it.
    pub subscription: i64,
    /// The letter.
    pub letter: DeadLetter,
}

/// Which dead letters are to be listed: by subscription, and then by their places in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeadLetterQuery {
    /// Only those of this subscription.
    pub subscription: Option<i64>,
    /// Only those behind this one: subscription and place.
    pub after: Option<(i64, i64)>,
    /// At most as many.
    pub limit: usize,
}

/// What became of dead letters that were to be tried again, or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// How many it was done to.
    pub letters: usize,
    /// Whether there are more of those that were asked for.
    pub more: bool,
    /// Whether it was not done to more because the subscription has as many retries as it may have, so that it goes on
    /// only once it took some.
    pub is_full: bool,
}

type Row = (i64, i64, Option<String>, i64, i64, String, String);

/// Returns dead letters.
///
/// # Errors
/// When the database cannot be read.
pub fn list_dead_letters(connection: &mut SqliteConnection, query: DeadLetterQuery) -> Result<Vec<Dead>, StoreError> {
    let mut wanted = dead_letters::table.into_boxed();
    if let Some(subscription) = query.subscription {
        wanted = wanted.filter(dead_letters::subscription.eq(subscription));
    }
    if let Some((subscription, seq)) = query.after {
        let in_same = dead_letters::subscription.eq(subscription).and(dead_letters::seq.gt(seq));
        // Said twice, so that SQLite begins at the right row of the primary key.
        wanted = wanted.filter(dead_letters::subscription.ge(subscription));
        wanted = wanted.filter(dead_letters::subscription.gt(subscription).or(in_same));
    }
    let rows: Vec<Row> = wanted
        .order((dead_letters::subscription, dead_letters::seq))
        .limit(as_i64(query.limit))
        .select(dead_letters::all_columns)
        .load(connection)?;
    Ok(rows.into_iter().map(dead).collect())
}

/// Returns the dead letter of a subscription and an event.
///
/// # Errors
/// When the database cannot be read.
pub fn find_dead_letter(
    connection: &mut SqliteConnection,
    subscription: i64,
    seq: i64,
) -> Result<Option<Dead>, StoreError> {
    let row: Option<Row> = dead_letters::table.find((subscription, seq)).first(connection).optional()?;
    Ok(row.map(dead))
}

/// Has dead letters of a subscription tried again: they become retries, with no attempts and due whatever the clock
/// shows. Those of the places in `only`, or the first of all; at most 500, and no more than the subscription may have
/// retries. One that is tried anyway is only deleted.
///
/// # Errors
/// When the database cannot be written.
pub fn retry_dead_letters(
    connection: &mut SqliteConnection,
    subscription: i64,
    only: Option<&[i64]>,
) -> Result<Retried, StoreError> {
    let mut room = as_i64(RETRIES_PER_SUBSCRIPTION_MAX) - retries::count(connection, subscription)?;
    let (first, more) = choose(connection, subscription, only, CHANGE_ROWS_MAX)?;
    let mut retried = Retried { letters: 0, more, is_full: false };
    for (seq, key) in first {
        if !is_tried_anyway(connection, subscription, seq)? {
            if room <= 0 {
                return Ok(Retried { more: true, is_full: true, ..retried });
            }
            room -= 1;
            let row = RetryRow { seq, key: key.map(Into::into), attempts: 0, due_ms: 0, problem: None };
            row.put(connection, subscription)?;
        }
        diesel::delete(dead_letters::table.find((subscription, seq))).execute(connection)?;
        retried.letters += 1;
    }
    Ok(retried)
}

/// Returns whether an event has a row of retries, or is beyond the cursor of its lane, so that the log delivers it.
fn is_tried_anyway(connection: &mut SqliteConnection, subscription: i64, seq: i64) -> QueryResult<bool> {
    let row = retry_rows::table.find((subscription, seq)).select(retry_rows::seq);
    if row.first::<i64>(connection).optional()?.is_some() {
        return Ok(true);
    }
    let lane: Option<i64> = events::table.find(seq).select(events::lane).first(connection).optional()?;
    let Some(lane) = lane else { return Ok(false) };
    let cursor = cursors::table.find((subscription, lane)).select(cursors::seq);
    Ok(cursor.first::<i64>(connection).optional()?.is_some_and(|cursor| seq > cursor))
}

/// Deletes the dead letters of a subscription that are behind a place.
pub(super) fn delete_after(connection: &mut SqliteConnection, subscription: i64, seq: i64) -> QueryResult<()> {
    let later = dead_letters::table.filter(dead_letters::subscription.eq(subscription).and(dead_letters::seq.gt(seq)));
    diesel::delete(later).execute(connection).map(drop)
}

/// Deletes dead letters of a subscription: those of the places in `only`, or the first of all; at most 500.
///
/// # Errors
/// When the database cannot be written.
pub fn drop_dead_letters(
    connection: &mut SqliteConnection,
    subscription: i64,
    only: Option<&[i64]>,
) -> Result<Retried, StoreError> {
    let (first, more) = choose(connection, subscription, only, CHANGE_ROWS_MAX)?;
    for (seq, _) in &first {
        diesel::delete(dead_letters::table.find((subscription, *seq))).execute(connection)?;
    }
    Ok(Retried { letters: first.len(), more, is_full: false })
}

/// Place and key of a dead letter.
type Chosen = (i64, Option<String>);

/// Returns the places and keys of at most `limit` dead letters, and whether there are more.
fn choose(
    connection: &mut SqliteConnection,
    subscription: i64,
    only: Option<&[i64]>,
    limit: usize,
) -> QueryResult<(Vec<Chosen>, bool)> {
    let mut wanted = dead_letters::table.filter(dead_letters::subscription.eq(subscription)).into_boxed();
    if let Some(places) = only {
        wanted = wanted.filter(dead_letters::seq.eq_any(places));
    }
    let mut found: Vec<Chosen> = wanted
        .order(dead_letters::seq)
        .limit(as_i64(limit) + 1)
        .select((dead_letters::seq, dead_letters::key))
        .load(connection)?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

fn dead((subscription, seq, key, attempts, at_ms, code, message): Row) -> Dead {
    let problem = Problem { code: code.into(), message: message.into() };
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Dead { subscription, letter: DeadLetter { seq, key: key.map(Into::into), attempts, at_ms, problem } }
}
