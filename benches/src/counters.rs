//! Counters in SQLite through diesel: what is done natively when a plugin's state is measured beside it.
//!
//! The settings are the store's own, so that a commit means the same everywhere; `peers/fastify/server.js` repeats them.
//! This module does not know who calls, nor how many calls share a transaction.

use std::path::Path;

use anyhow::Context as _;
use diesel::{connection::SimpleConnection as _, prelude::*, sqlite::SqliteConnection};
use serde::{Deserialize, Serialize};

const SETTINGS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    CREATE TABLE IF NOT EXISTS counters (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

diesel::table! {
    /// Counters by their key.
    counters (key) {
        /// Whatever the client asked for.
        key -> Text,
        /// A [`Counter`] as JSON.
        value -> Binary,
    }
}

/// What is stored under a key, as JSON.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// How often it was asked to count.
    pub count: u64,
}

/// Opens the database and makes its table.
///
/// # Errors
/// When SQLite cannot.
pub fn open(path: &Path) -> anyhow::Result<SqliteConnection> {
    let path = path.to_str().context("the database's path is not UTF-8")?;
    let mut database = SqliteConnection::establish(path).with_context(|| format!("{path} cannot be opened"))?;
    database.batch_execute(SETTINGS)?;
    Ok(database)
}

/// Reads a counter, adds one and writes it back; the caller holds the transaction.
///
/// # Errors
/// When SQLite cannot, or what is stored is no counter.
pub fn bump(database: &mut SqliteConnection, key: &str) -> anyhow::Result<Counter> {
    let mut counter: Counter = match find(database, key)? {
        Some(stored) => serde_json::from_slice(&stored)?,
        None => Counter::default(),
    };
    counter.count += 1;
    let value = serde_json::to_vec(&counter)?;
    diesel::insert_into(counters::table)
        .values((counters::key.eq(key), counters::value.eq(&value)))
        .on_conflict(counters::key)
        .do_update()
        .set(counters::value.eq(&value))
        .execute(database)?;
    Ok(counter)
}

/// Returns what is stored under a key.
///
/// # Errors
/// When SQLite cannot.
pub fn find(database: &mut SqliteConnection, key: &str) -> QueryResult<Option<Vec<u8>>> {
    counters::table.find(key).select(counters::value).first(database).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_stores_json() {
        let mut database = open(Path::new(":memory:")).expect("SQLite opens in memory");
        assert_eq!(find(&mut database, "a").expect("the table is there"), None);
        let counts = ["a", "b", "a"].map(|key| bump(&mut database, key).expect("SQLite counts").count);
        assert_eq!(counts, [1, 1, 2]);
        assert_eq!(find(&mut database, "a").expect("the table is there").as_deref(), Some(&b"{\"count\":2}"[..]));
    }
}
