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
    let ended: Vec<String> = api_keys::table
        .filter(api_keys::expires_at_ms.le(ended_by).or(api_keys::revoked_at_ms.le(ended_by)))
        .limit(as_i64(rows_max))
        .select(api_keys::id)
        .load(connection)?;
    if ended.is_empty() {
        return Ok(0);
    }
    diesel::delete(api_keys::table.filter(api_keys::id.eq_any(ended))).execute(connection)
}

fn collect_revocations(connection: &mut SqliteConnection, now_ms: i64, rows_max: usize) -> QueryResult<usize> {
    let old: Vec<i64> = revocations::table
        .filter(revocations::at_ms.le(before(now_ms, REVOCATION_KEPT)))
        .limit(as_i64(rows_max))
        .select(revocations::seq)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::{
            api_keys::{self as keys, NewApiKey},
            audit::{self as trail, AuditQuery, NewEntry},
            revocations::{self as revoked},
            sessions::{self as families, revoke_family, rotate},
            testing::{ADMIN, END, add_key, add_user, digest, new_key, open_family, rotation},
            users,
        },
        migrate::migrated,
    };

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    const DAY: i64 = 24 * 3_600_000;
    const HOUR: i64 = 3_600_000;

    fn add_entry(connection: &mut SqliteConnection, at_ms: i64) {
        trail::append(connection, NewEntry { at_ms, ..NewEntry::default() }).unwrap();
    }

    /// Returns the oldest place in the trail.
    fn oldest_entry(connection: &mut SqliteConnection) -> Option<i64> {
        let query = AuditQuery { limit: 10_000, ..AuditQuery::default() };
        trail::list(connection, &query).unwrap().last().map(|entry| entry.seq)
    }

    #[test]
    fn a_session_goes_at_its_end_and_not_before() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        open_family(&mut connection, &ada, "s1", 1);
        open_family(&mut connection, &ada, "s2", 2);
        rotate(&mut connection, &rotation("s1", 1, 0, 10))?;
        revoke_family(&mut connection, "s2", END - HOUR)?;
        assert_eq!(collect(&mut connection, END - 1, 500)?, 0);
        assert!(families::find(&mut connection, digest(1))?.is_some());
        assert_eq!(collect(&mut connection, END, 500)?, 5);
        let left: i64 = sessions::table.count().get_result(&mut connection)?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn a_large_session_goes_in_steps() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        open_family(&mut connection, &ada, "s1", 0);
        open_family(&mut connection, &ada, "s2", 100);
        for number in 0..6 {
            rotate(&mut connection, &rotation("s1", number, 0, number + 1))?;
        }
        let steps: Vec<_> = (0..4).map(|_| collect(&mut connection, END, 4).unwrap()).collect();
        assert_eq!(steps, [4, 4, 2, 0]);
        Ok(())
    }

    #[test]
    fn what_is_left_of_a_deleted_account_goes_at_once() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        open_family(&mut connection, &ada, "s1", 1);
        add_key(&mut connection, "k1", &ada);
        users::delete(&mut connection, &ada, ADMIN, 50)?;
        assert_eq!(collect(&mut connection, 50, 500)?, 2);
        let left: i64 = refresh_tokens::table.count().get_result(&mut connection)?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn an_api_key_stays_for_thirty_days_after_it_ended() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        keys::create(&mut connection, &NewApiKey { expires_at_ms: Some(100), ..new_key("expires", &ada) })?;
        keys::create(&mut connection, &NewApiKey { expires_at_ms: Some(200), ..new_key("revoked", &ada) })?;
        add_key(&mut connection, "stays", &ada);
        keys::revoke(&mut connection, "revoked", 99)?;
        let mut left = |now_ms| -> Result<Vec<String>, Box<dyn std::error::Error>> {
            collect(&mut connection, now_ms, 500)?;
            Ok(keys::list(&mut connection, None, None, 10)?.into_iter().map(|key| key.id).collect())
        };
        assert_eq!(left(98 + 30 * DAY)?, ["expires", "revoked", "stays"]);
        assert_eq!(left(99 + 30 * DAY)?, ["expires", "stays"]);
        assert_eq!(left(100 + 30 * DAY)?, ["stays"]);
        Ok(())
    }

    #[test]
    fn a_revocation_stays_longer_than_any_token() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        open_family(&mut connection, &ada, "s1", 1);
        revoke_family(&mut connection, "s1", 100)?;
        let mut left = |now_ms| -> Result<usize, Box<dyn std::error::Error>> {
            collect_revocations(&mut connection, now_ms, 500)?;
            Ok(revoked::list_after(&mut connection, 0, 10)?.len())
        };
        assert_eq!(left(99 + 2 * HOUR)?, 1);
        assert_eq!(left(100 + 2 * HOUR)?, 0);
        Ok(())
    }

    #[test]
    fn an_audit_entry_stays_for_ninety_days() -> TestResult {
        let mut connection = migrated();
        [100, 200, 150].into_iter().for_each(|at_ms| add_entry(&mut connection, at_ms));
        assert_eq!(collect(&mut connection, 99 + 90 * DAY, 500)?, 0);
        assert_eq!(collect(&mut connection, 150 + 90 * DAY, 500)?, 1);
        // The clock went back once: what came after a younger entry goes with it.
        assert_eq!(oldest_entry(&mut connection), Some(2));
        assert_eq!(collect(&mut connection, 200 + 90 * DAY, 500)?, 2);
        assert_eq!(oldest_entry(&mut connection), None);
        Ok(())
    }

    #[test]
    fn of_audit_entries_the_newest_stay_up_to_a_number() -> TestResult {
        let mut connection = migrated();
        (0..10).for_each(|at_ms| add_entry(&mut connection, at_ms));
        let mut collect = |rows_max| collect_entries(&mut connection, -1, 3, rows_max);
        assert_eq!([collect(5)?, collect(5)?, collect(5)?], [5, 2, 0]);
        assert_eq!(oldest_entry(&mut connection), Some(8));
        Ok(())
    }

    #[test]
    fn one_step_is_bounded_over_all_kinds() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        for number in 1..4 {
            open_family(&mut connection, &ada, &format!("s{number}"), number);
        }
        for id in ["k1", "k2", "k3"] {
            add_key(&mut connection, id, &ada);
            keys::revoke(&mut connection, id, 5)?;
        }
        (0..3).for_each(|at_ms| add_entry(&mut connection, at_ms));
        let steps: Vec<_> = (0..5).map(|_| collect(&mut connection, 91 * DAY, 4).unwrap()).collect();
        // 3 sessions and their tokens, 3 keys and their revocations, 3 entries.
        assert_eq!(steps, [4, 4, 4, 3, 0]);
        Ok(())
    }
}
