//! Deletes what nobody needs any more: sessions that expired, keys that ended, old revocations, old audit entries.
//!
//! Each function deletes a bounded number of rows and returns how many it did. Calls do not read these rows, so a
//! deletion needs no place in the order of commits.

use std::time::Duration;

use diesel::{connection::DefaultLoadingMode, dsl::max, prelude::*};

use crate::{
    keys::as_i64,
    schema::{api_keys, audit, refresh_tokens, revocations, sessions},
};

/// How long an API key is to be seen after it ended.
const ENDED_API_KEY_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a revocation is kept. No access token lives longer than an hour, and clocks may differ by a minute.
const REVOCATION_KEPT: Duration = Duration::from_hours(2);
/// How long an audit entry is kept.
const AUDIT_KEPT: Duration = Duration::from_hours(90 * 24);
/// Audit entries that are kept.
const AUDIT_ENTRIES_MAX: i64 = 1_000_000;

/// Deletes at most `rows_max` rows of what is over at `now_ms`, and returns how many it were.
pub(crate) fn collect(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    let mut rows = 0;
    for collect in [collect_sessions, collect_api_keys, collect_revocations, collect_audit] {
        rows += collect(connection, now_ms, rows_max - rows)?;
    }
    Ok(rows)
}

/// A session goes after its tokens.
fn collect_sessions(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    let expired: Vec<String> = sessions::table
        .filter(sessions::expires_at_ms.le(now_ms))
        .order(sessions::expires_at_ms)
        .limit(as_i64(rows_max))
        .select(sessions::id)
        .load(connection)?;
    let mut rows = 0;
    for id in expired {
        let tokens: Vec<Vec<u8>> = refresh_tokens::table
            .filter(refresh_tokens::session_id.eq(&id))
            .limit(as_i64(rows_max - rows))
            .select(refresh_tokens::digest)
            .load(connection)?;
        rows +=
            diesel::delete(refresh_tokens::table.filter(refresh_tokens::digest.eq_any(tokens))).execute(connection)?;
        if rows == rows_max {
            break;
        }
        rows += diesel::delete(sessions::table.find(id)).execute(connection)?;
    }
    Ok(rows)
}

fn collect_api_keys(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    let ended_by = before(now_ms, ENDED_API_KEY_KEPT);
    let expired = api_keys::table.filter(api_keys::expires_at_ms.le(ended_by)).select(api_keys::id);
    let expired: Vec<String> = expired.limit(as_i64(rows_max)).load(connection)?;
    let rows = diesel::delete(api_keys::table.filter(api_keys::id.eq_any(expired))).execute(connection)?;
    let revoked = api_keys::table.filter(api_keys::revoked_at_ms.le(ended_by)).select(api_keys::id);
    let revoked: Vec<String> = revoked.limit(as_i64(rows_max - rows)).load(connection)?;
    Ok(rows + diesel::delete(api_keys::table.filter(api_keys::id.eq_any(revoked))).execute(connection)?)
}

fn collect_revocations(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    let old: Vec<i64> = revocations::table
        .filter(revocations::at_ms.le(before(now_ms, REVOCATION_KEPT)))
        .limit(as_i64(rows_max))
        .select(revocations::seq)
        .load(connection)?;
    diesel::delete(revocations::table.filter(revocations::seq.eq_any(old))).execute(connection)
}

fn collect_audit(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    collect_entries(connection, before(now_ms, AUDIT_KEPT), AUDIT_ENTRIES_MAX, rows_max)
}

/// Deletes the oldest entries: those of `ended_by_ms` or earlier, and those that `entries_max` came after. Places have
/// no gaps, so their difference counts entries.
fn collect_entries(
    connection: &mut SqliteConnection,
    ended_by_ms: i64,
    entries_max: i64,
    rows_max: usize,
) -> QueryResult<usize> {
    let newest: Option<i64> = audit::table.select(max(audit::seq)).first(connection)?;
    let Some(newest) = newest else { return Ok(0) };
    let oldest = audit::table.order(audit::seq).limit(as_i64(rows_max)).select((audit::seq, audit::at_ms));
    let mut last = None;
    // One by one: most of the time not even the first is over.
    for entry in oldest.load_iter::<(i64, i64), DefaultLoadingMode>(connection)? {
        let (seq, at_ms) = entry?;
        if at_ms > ended_by_ms && newest - seq < entries_max {
            break;
        }
        last = Some(seq);
    }
    let Some(last) = last else { return Ok(0) };
    diesel::delete(audit::table.filter(audit::seq.le(last))).execute(connection)
}

fn before(now_ms: i64, duration: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}
