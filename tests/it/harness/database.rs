//! The database as another program sees it: an operator's `sqlite3`, a backup tool, a check after a crash.

use std::path::Path;

use diesel::{QueryableByName, connection::SimpleConnection as _, prelude::*, sql_query, sql_types};

/// A connection beside the server's own.
///
/// The locks of a file belong to a process: as long as this exists, the test must not open the database in another way.
pub(crate) struct Database(SqliteConnection);

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = sql_types::Text)]
    said: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct SigningKey {
    #[diesel(sql_type = sql_types::Text)]
    kid: String,
    #[diesel(sql_type = sql_types::Binary)]
    wrapped: Vec<u8>,
}

impl Database {
    /// Opens the database in a data folder.
    #[track_caller]
    pub(crate) fn open(data: &Path) -> Self {
        let path = data.join("backplane.sqlite");
        let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("the database opens");
        connection.batch_execute("PRAGMA busy_timeout = 10000").expect("SQLite knows the setting");
        Self(connection)
    }

    /// Runs statements.
    #[track_caller]
    pub(crate) fn run(&mut self, statements: &str) {
        self.0.batch_execute(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// Returns the one number that a query calls `number`.
    #[track_caller]
    pub(crate) fn number(&mut self, query: &str) -> i64 {
        let found: Number = sql_query(query).get_result(&mut self.0).unwrap_or_else(|e| panic!("{query}: {e}"));
        found.number
    }

    /// Returns the signing key in use: its id, and the key itself as it is kept.
    #[track_caller]
    pub(crate) fn active_key(&mut self) -> (String, Vec<u8>) {
        let query = "SELECT kid, wrapped FROM signing_keys WHERE state = 'active'";
        let SigningKey { kid, wrapped } = sql_query(query).get_result(&mut self.0).expect("one key is active");
        (kid, wrapped)
    }

    /// Checks that SQLite finds nothing wrong with the file, and that the plugins' usage is what their rows add up to.
    #[track_caller]
    pub(crate) fn check(&mut self) {
        let check = sql_query("SELECT integrity_check AS said FROM pragma_integrity_check");
        let said: Vec<Said> = check.load(&mut self.0).expect("the check runs");
        let said: Vec<_> = said.into_iter().map(|Said { said }| said).collect();
        assert_eq!(said, ["ok"]);
        let broken = self.number("SELECT count(*) AS number FROM pragma_foreign_key_check");
        assert_eq!(broken, 0, "rows that belong to nothing");
        let keys = self.number("SELECT coalesce(sum(keys), 0) AS number FROM usage");
        assert_eq!(keys, self.number("SELECT count(*) AS number FROM kv"), "the usage is not that of the rows");
        let newest = self.number("SELECT coalesce(max(version), 0) AS number FROM kv");
        let sequence = self.number("SELECT value AS number FROM counters WHERE name = 'sequence'");
        assert!(newest <= sequence, "a row has version {newest}, the newest commit is {sequence}");
    }
}
