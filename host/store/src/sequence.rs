//! The sequence: the version of the newest commit, as the database has it.

use diesel::{prelude::*, upsert::excluded};

use crate::{schema::counters, statement::write};

/// Its name among the counters.
const SEQUENCE: &str = "sequence";

/// Reads it: 0 before the first commit. In a transaction that reads, this is what the snapshot sees, and all before it.
pub(crate) fn load(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let found = counters::table.find(SEQUENCE).select(counters::value).get_result(connection).optional()?;
    Ok(found.unwrap_or(0))
}

/// Writes it.
pub(crate) fn store(connection: &mut SqliteConnection, current: i64) -> QueryResult<()> {
    enum StoreSequence {}
    let query = diesel::insert_into(counters::table)
        .values((counters::name.eq(SEQUENCE), counters::value.eq(current)))
        .on_conflict(counters::name)
        .do_update()
        .set(counters::value.eq(excluded(counters::value)));
    write::<StoreSequence>(connection, query)
}
