//! Statements that are compiled once for each connection.
//!
//! diesel keeps a compiled statement by the type of its query where the type says everything. Some types could, but do
//! not claim to (`UPDATE`, `ON CONFLICT`), and text never does: those are built anew at every use, which costs more than
//! running them. [`Cached`] makes the claim for one query, under a name of its own.

use std::marker::PhantomData;

use diesel::{
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::BigInt,
    sqlite::Sqlite,
};

/// A query that is always the same text, whatever values it carries. `Name` stands for no other query.
pub(crate) struct Cached<Name, Q> {
    query: Q,
    name: PhantomData<Name>,
}

impl<Name, Q> Cached<Name, Q> {
    pub(crate) fn new(query: Q) -> Self {
        Self { query, name: PhantomData }
    }
}

impl<Name: 'static, Q> QueryId for Cached<Name, Q> {
    type QueryId = Cached<Name, ()>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Name, Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Cached<Name, Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.query.walk_ast(pass)
    }
}

impl<Name, Q: Query> Query for Cached<Name, Q> {
    type SqlType = Q::SqlType;
}

impl<Name, Q> RunQueryDsl<SqliteConnection> for Cached<Name, Q> {}

/// Declares statements without values.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal $(-> $type:ty)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, QueryId)]
        pub(crate) struct $name;

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                pass.push_sql($sql);
                Ok(())
            }
        }

        impl RunQueryDsl<SqliteConnection> for $name {}
        $(impl Query for $name { type SqlType = $type; })?
    )*};
}

statements! {
    /// Begins a transaction that takes its snapshot at the first read.
    Begin = "BEGIN DEFERRED";
    /// Ends a transaction.
    Rollback = "ROLLBACK";
    /// Reads next to nothing, so that the transaction takes its snapshot now.
    Touch = "SELECT 1 FROM counters WHERE 0" -> BigInt;
    /// Begins a part of a batch that can be undone.
    Savepoint = "SAVEPOINT job";
    /// Keeps it.
    Release = "RELEASE job";
    /// Undoes it.
    RollbackTo = "ROLLBACK TO job";
    /// A number that changes when another connection has written.
    DataVersion = "PRAGMA data_version" -> BigInt;
}

/// Runs `job`, and undoes what it wrote when it says so by `Err`.
///
/// # Errors
/// When SQLite gave up the whole transaction under the job, with what the job said.
pub(crate) fn in_savepoint<T, E>(
    connection: &mut SqliteConnection,
    job: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> Result<Result<T, E>, Lost<E>> {
    let lost = |error| Lost { error, job: None };
    Savepoint.execute(connection).map_err(lost)?;
    match job(connection) {
        Ok(value) => Release.execute(connection).map(|_| Ok(value)).map_err(lost),
        Err(said) => match RollbackTo.execute(connection).and_then(|_| Release.execute(connection)) {
            Ok(_) => Ok(Err(said)),
            Err(error) => Err(Lost { error, job: Some(said) }),
        },
    }
}

/// The transaction around a savepoint is gone.
pub(crate) struct Lost<E> {
    /// What SQLite said when the savepoint was to be ended.
    pub(crate) error: diesel::result::Error,
    /// What the job said before that.
    pub(crate) job: Option<E>,
}
