//! The statements on `kv` that snapshots and the writer run.
//!
//! They do not know what is a conflict, nor what a plugin may keep.

use diesel::{connection::DefaultLoadingMode, prelude::*, upsert::excluded};

use crate::{
    range::{KeyRange, Order, Row, Rows},
    schema::kv,
    size::blob_bytes,
    statement::write,
};

/// The name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name<'a> {
    pub(crate) plugin_id: i64,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a [u8],
}

/// What the writer must know of a row: all but its value.
#[derive(Debug, Clone, Copy, Queryable)]
pub(crate) struct Head {
    pub(crate) version: i64,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) value_bytes: i64,
}

impl Head {
    pub(crate) fn is_live(&self, now_ms: i64) -> bool {
        is_live(self.expires_at_ms, now_ms)
    }
}

/// A key whose time is `expires_at_ms` is gone from that millisecond on.
pub(crate) fn is_live(expires_at_ms: Option<i64>, now_ms: i64) -> bool {
    expires_at_ms.is_none_or(|end| end > now_ms)
}

/// Returns when the time of a key is over that is set at `now_ms` for so long.
pub(crate) fn end(now_ms: i64, ttl_ms: u64) -> i64 {
    now_ms.saturating_add_unsigned(ttl_ms)
}

impl Name<'_> {
    /// Returns what the key's name counts for the quota of bytes.
    pub(crate) fn bytes(&self) -> i64 {
        as_i64(self.bucket.len() + self.key.len())
    }
}

/// Lengths of what is in memory fit.
pub(crate) fn as_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

macro_rules! at {
    ($name:expr) => {
        kv::plugin_id.eq($name.plugin_id).and(kv::bucket.eq($name.bucket)).and(kv::key.eq($name.key))
    };
}

/// Returns the row of a key, also one whose time is over, without its value.
pub(crate) fn find_head(connection: &mut SqliteConnection, name: Name<'_>) -> QueryResult<Option<Head>> {
    let columns = (kv::version, kv::expires_at_ms, blob_bytes(kv::value));
    kv::table.filter(at!(name)).select(columns).get_result(connection).optional()
}

/// Returns the row of a key that is there at `now_ms`, and when its time is over.
pub(crate) fn find(
    connection: &mut SqliteConnection,
    name: Name<'_>,
    now_ms: i64,
) -> QueryResult<Option<(Row, Option<i64>)>> {
    let columns = (kv::value, kv::version, kv::expires_at_ms);
    let found: Option<(Vec<u8>, i64, Option<i64>)> =
        kv::table.filter(at!(name)).select(columns).get_result(connection).optional()?;
    Ok(found.filter(|(_, _, end)| is_live(*end, now_ms)).map(|(value, version, end)| (Row { value, version }, end)))
}

/// Sets a key.
pub(crate) fn put(
    connection: &mut SqliteConnection,
    name: Name<'_>,
    value: &[u8],
    version: i64,
    expires_at_ms: Option<i64>,
) -> QueryResult<()> {
    enum Put {}
    let insert = diesel::insert_into(kv::table)
        .values((
            kv::plugin_id.eq(name.plugin_id),
            kv::bucket.eq(name.bucket),
            kv::key.eq(name.key),
            kv::version.eq(version),
            kv::expires_at_ms.eq(expires_at_ms),
            kv::value.eq(value),
        ))
        .on_conflict((kv::plugin_id, kv::bucket, kv::key))
        .do_update()
        .set((
            kv::version.eq(excluded(kv::version)),
            kv::expires_at_ms.eq(excluded(kv::expires_at_ms)),
            kv::value.eq(excluded(kv::value)),
        ));
    write::<Put>(connection, insert)
}

/// Deletes a key.
pub(crate) fn delete(connection: &mut SqliteConnection, name: Name<'_>) -> QueryResult<()> {
    diesel::delete(kv::table.filter(at!(name))).execute(connection).map(drop)
}

/// What of a range is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) plugin_id: i64,
    pub(crate) bucket: &'a str,
    pub(crate) range: &'a KeyRange,
    pub(crate) now_ms: i64,
}

/// Lists the rows of a range that are there: at most `rows_max` and about `bytes_max`, but one where there is one.
pub(crate) fn list(
    connection: &mut SqliteConnection,
    listing: Listing<'_>,
    order: Order,
    rows_max: usize,
    bytes_max: usize,
) -> QueryResult<Rows> {
    let (first, end) = listing.range.half_open();
    let rows_max = rows_max.max(1);
    let query = kv::table
        .filter(kv::plugin_id.eq(listing.plugin_id).and(kv::bucket.eq(listing.bucket)))
        .filter(kv::key.ge(&first).and(kv::key.lt(&end)))
        .filter(kv::expires_at_ms.is_null().or(kv::expires_at_ms.gt(listing.now_ms)))
        .select((kv::key, kv::value, kv::version));
    // No `LIMIT`: SQLite compiles a statement anew when that is given another value, or the same one again.
    match order {
        Order::Ascending => {
            let rows = query.order(kv::key.asc()).load_iter::<_, DefaultLoadingMode>(connection)?;
            take_page(rows, rows_max, bytes_max)
        }
        Order::Descending => {
            let rows = query.order(kv::key.desc()).load_iter::<_, DefaultLoadingMode>(connection)?;
            take_page(rows, rows_max, bytes_max)
        }
    }
}

fn take_page(
    found: impl Iterator<Item = QueryResult<(Vec<u8>, Vec<u8>, i64)>>,
    rows_max: usize,
    bytes_max: usize,
) -> QueryResult<Rows> {
    let mut page = Rows::default();
    let mut bytes = 0_usize;
    for row in found {
        let (key, value, version) = row?;
        bytes = bytes.saturating_add(key.len() + value.len());
        if page.rows.len() == rows_max || (bytes > bytes_max && !page.rows.is_empty()) {
            page.more = true;
            break;
        }
        page.rows.push((key, Row { value, version }));
    }
    Ok(page)
}

/// Returns the versions and ends of up to `rows_max` rows of a range, those among them whose time is over.
pub(crate) fn list_heads(
    connection: &mut SqliteConnection,
    listing: Listing<'_>,
    rows_max: usize,
) -> QueryResult<Vec<(i64, Option<i64>)>> {
    let (first, end) = listing.range.half_open();
    kv::table
        .filter(kv::plugin_id.eq(listing.plugin_id).and(kv::bucket.eq(listing.bucket)))
        .filter(kv::key.ge(&first).and(kv::key.lt(&end)))
        .select((kv::version, kv::expires_at_ms))
        .load_iter::<_, DefaultLoadingMode>(connection)?
        .take(rows_max)
        .collect()
}
