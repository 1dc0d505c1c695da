//! Deletes what expired, step by step.
//!
//! A step is small, so that commits do not wait behind it. It has its place in the order of commits: a call whose time
//! is before the end of a key, and which read it before the step and is validated after it, is run again.

use diesel::prelude::*;

use crate::{
    identity,
    keys::{self, Name},
    schema::{kv, replies},
    size::{kv_bytes, reply_bytes},
};

/// Rows that one step deletes.
const ROWS_MAX: usize = 500;
/// Bytes after which a step ends, as many as one commit may write.
const BYTES_MAX: i64 = 4 << 20;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Keys that were deleted.
    pub keys: usize,
    /// Stored replies that were deleted.
    pub replies: usize,
    /// Rows of sessions, API keys, revocations and the audit trail that were deleted.
    pub identity: usize,
    /// Whether more has expired.
    pub more: bool,
    /// Its place in the order of commits, 0 where it did nothing to a plugin's rows.
    pub(crate) version: i64,
}

/// A row that is gone.
#[derive(Debug)]
pub(crate) struct Freed {
    pub(crate) plugin_id: i64,
    /// Bucket and key, where it was a key's row.
    pub(crate) key: Option<(String, Vec<u8>)>,
    /// What it counted.
    pub(crate) bytes: i64,
}

impl Freed {
    pub(crate) fn key(&self) -> Option<Name<'_>> {
        self.key.as_ref().map(|(bucket, key)| Name { plugin_id: self.plugin_id, bucket, key })
    }
}

/// Deletes rows whose time was over at `now_ms`, and returns those of plugins.
pub(crate) fn collect(connection: &mut SqliteConnection, now_ms: i64) -> QueryResult<(Collected, Vec<Freed>)> {
    let mut freed = Vec::new();
    let mut bytes_left = BYTES_MAX;
    let keys = collect_keys(connection, now_ms, &mut bytes_left, &mut freed)?;
    let replies = collect_replies(connection, now_ms, &mut bytes_left, &mut freed)?;
    let identity = identity::collect::collect(connection, now_ms, ROWS_MAX - freed.len())?;
    let more = freed.len() + identity == ROWS_MAX || bytes_left <= 0;
    Ok((Collected { keys, replies, identity, more, version: 0 }, freed))
}

fn collect_keys(
    connection: &mut SqliteConnection,
    now_ms: i64,
    bytes_left: &mut i64,
    freed: &mut Vec<Freed>,
) -> QueryResult<usize> {
    let expired: Vec<(i64, String, Vec<u8>, i64)> = kv::table
        .filter(kv::expires_at_ms.le(now_ms))
        .order(kv::expires_at_ms)
        .select((kv::plugin_id, kv::bucket, kv::key, kv_bytes()))
        .limit(keys::as_i64(ROWS_MAX))
        .load(connection)?;
    for (plugin_id, bucket, key, bytes) in expired {
        if *bytes_left <= 0 {
            break;
        }
        keys::delete(connection, Name { plugin_id, bucket: &bucket, key: &key })?;
        *bytes_left -= bytes;
        freed.push(Freed { plugin_id, key: Some((bucket, key)), bytes });
    }
    Ok(freed.len())
}

fn collect_replies(
    connection: &mut SqliteConnection,
    now_ms: i64,
    bytes_left: &mut i64,
    freed: &mut Vec<Freed>,
) -> QueryResult<usize> {
    let rows_before = freed.len();
    let expired: Vec<(i64, String, String, String, i64)> = replies::table
        .filter(replies::expires_at_ms.le(now_ms))
        .order(replies::expires_at_ms)
        .select((replies::plugin_id, replies::principal, replies::route, replies::key, reply_bytes()))
        .limit(keys::as_i64(ROWS_MAX - rows_before))
        .load(connection)?;
    for (plugin_id, principal, route, key, bytes) in expired {
        if *bytes_left <= 0 {
            break;
        }
        diesel::delete(replies::table.find((plugin_id, principal, route, key))).execute(connection)?;
        *bytes_left -= bytes;
        freed.push(Freed { plugin_id, key: None, bytes });
    }
    Ok(freed.len() - rows_before)
}
