//! Rows of retries, as a subscription's progress holds them.

use diesel::{dsl::count_star, prelude::*};

use super::step::RetryRow;
use crate::schema::retries;

/// Rows of one subscription that a person may bring it to. A policy that makes steps keeps below this by itself.
pub const RETRIES_PER_SUBSCRIPTION_MAX: usize = 10_000;

/// Returns all rows of a subscription, without their problems.
pub(super) fn list(connection: &mut SqliteConnection, subscription: i64) -> QueryResult<Vec<RetryRow>> {
    let rows: Vec<(i64, Option<String>, i64, i64)> = retries::table
        .filter(retries::subscription.eq(subscription))
        .order(retries::seq)
        .select((retries::seq, retries::key, retries::attempts, retries::due_ms))
        .load(connection)?;
    let row = |(seq, key, attempts, due_ms): (i64, Option<String>, i64, i64)| RetryRow {
        seq,
        key: key.map(Into::into),
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        due_ms,
        problem: None,
    };
    Ok(rows.into_iter().map(row).collect())
}

pub(super) fn count(connection: &mut SqliteConnection, subscription: i64) -> QueryResult<i64> {
    retries::table.filter(retries::subscription.eq(subscription)).select(count_star()).first(connection)
}

/// Deletes the rows of a subscription that are behind a place.
pub(super) fn delete_after(connection: &mut SqliteConnection, subscription: i64, seq: i64) -> QueryResult<()> {
    let later = retries::table.filter(retries::subscription.eq(subscription).and(retries::seq.gt(seq)));
    diesel::delete(later).execute(connection).map(drop)
}
