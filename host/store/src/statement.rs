//! Statements that are compiled once for each connection.
//!
//! diesel keeps a compiled statement by the type of its query, where that says everything. Some types could, but do not
//! claim to (`UPDATE`, `ON CONFLICT`), and text never does: those are compiled anew at every use, which costs several
//! times what running them costs. [`write`] makes the claim for one query, and `statements!` for texts without values.

use std::marker::PhantomData;

use diesel::{
    connection::LoadConnection as _,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::BigInt,
    sqlite::Sqlite,
};

/// Runs a query that returns no rows and is always the same text, whatever values it carries. `Name` is a type that
/// stands for this query and no other.
pub(crate) fn write<Name: 'static>(
    connection: &mut SqliteConnection,
    query: impl QueryFragment<Sqlite>,
) -> QueryResult<()> {
    // Not `execute`: that asks a reference to the query whether it may be kept, which answers for its parts.
    let mut rows = connection.load(Cached::<Name, _> { query, name: PhantomData })?;
    rows.next().transpose().map(drop)
}

/// Finds one number by a query that is always the same text. As [`write`] else.
pub(crate) fn find_number<Name: 'static>(
    connection: &mut SqliteConnection,
    query: impl QueryFragment<Sqlite>,
) -> QueryResult<Option<i64>> {
    Cached::<Name, _> { query, name: PhantomData }.get_result(connection).optional()
}

/// A query that is compiled once under a name.
struct Cached<Name, Q> {
    query: Q,
    name: PhantomData<Name>,
}

impl<Name: 'static, Q> QueryId for Cached<Name, Q> {
    type QueryId = Cached<Name, ()>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Name, Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Cached<Name, Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.query.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &Sqlite) -> QueryResult<bool> {
        Ok(true)
    }
}

/// Of the rows, where there are any.
impl<Name, Q> Query for Cached<Name, Q> {
    type SqlType = BigInt;
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
    /// Begins a part of a batch that can be undone.
    Savepoint = "SAVEPOINT job";
    /// Keeps it.
    Release = "RELEASE job";
    /// Undoes it.
    RollbackTo = "ROLLBACK TO job";
    /// A number that changes when another connection has written.
    DataVersion = "PRAGMA data_version" -> BigInt;
    /// How large a page is, in bytes.
    PageSize = "PRAGMA page_size" -> BigInt;
    /// How many frames the log has, and how many of them are in the database. Does nothing.
    LookAtLog = "PRAGMA wal_checkpoint(NOOP)" -> (BigInt, BigInt, BigInt);
    /// Copies what it can of the log into the database, waits for nobody, and says the same.
    CopyLog = "PRAGMA wal_checkpoint(PASSIVE)" -> (BigInt, BigInt, BigInt);
    /// Copies all of the log into the database and empties it, and says the same after that.
    FoldLog = "PRAGMA wal_checkpoint(TRUNCATE)" -> (BigInt, BigInt, BigInt);
}

/// Runs `job`, and undoes what it wrote when it says so by `Err`.
///
/// # Errors
/// When SQLite gave up the whole transaction under the job.
pub(crate) fn in_savepoint<T, E>(
    connection: &mut SqliteConnection,
    job: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> QueryResult<Result<T, E>> {
    Savepoint.execute(connection)?;
    let outcome = job(connection);
    if outcome.is_err() {
        RollbackTo.execute(connection)?;
    }
    Release.execute(connection)?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use diesel::connection::{Instrumentation, InstrumentationEvent};

    use super::*;
    use crate::{
        events::{self, CursorStep, DeadLetter, LogRead, NewEvent, Problem, RetryRow, RetryStep, Step, Topics},
        keys::{self, Listing, Name},
        migrate::migrated,
        plugins::get_or_create_id,
        range::{KeyRange, Order},
        schema::counters,
        tests::event_fixture::event,
    };

    /// The statements that were compiled to be kept, and those that ran.
    #[derive(Default, Clone)]
    struct Seen(Arc<Mutex<(Vec<String>, usize)>>);

    impl Instrumentation for Seen {
        fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
            let mut seen = self.0.lock().unwrap();
            match event {
                InstrumentationEvent::CacheQuery { sql, .. } => seen.0.push(sql.to_owned()),
                InstrumentationEvent::FinishQuery { .. } => seen.1 += 1,
                _ => {}
            }
        }
    }

    /// Runs something three times. Returns what was compiled to be kept, and how many statements ran.
    fn run_thrice(mut run: impl FnMut(&mut SqliteConnection) -> QueryResult<()>) -> (Vec<String>, usize) {
        let mut connection = migrated();
        let plugin = get_or_create_id(&mut connection, "a").unwrap();
        assert_eq!(plugin, 1);
        let seen = Seen::default();
        connection.set_instrumentation(seen.clone());
        (0..3).for_each(|_| run(&mut connection).unwrap());
        seen.0.lock().unwrap().clone()
    }

    #[test]
    fn a_write_is_compiled_once() {
        enum Count {}
        let (kept, ran) = run_thrice(|connection| {
            let update = diesel::update(counters::table.find("sequence")).set(counters::value.eq(1));
            write::<Count>(connection, update)?;
            Savepoint.execute(connection)?;
            Release.execute(connection)?;
            DataVersion.get_result::<i64>(connection).map(drop)
        });
        assert_eq!((kept.len(), ran), (4, 12), "{kept:?}");
    }

    #[test]
    fn what_calls_and_commits_do_is_compiled_once() {
        let (bucket, range) = ("b", KeyRange::all());
        let name = Name { plugin_id: 1, bucket, key: b"k" };
        let listing = Listing { plugin_id: 1, bucket, range: &range, now_ms: 0 };
        let (kept, ran) = run_thrice(|connection| {
            keys::put(connection, name, b"v", 1, None)?;
            keys::find(connection, name, 0)?;
            keys::find_head(connection, name)?;
            keys::list(connection, listing, Order::Ascending, 10, 10)?;
            keys::list(connection, listing, Order::Descending, 10, 10)?;
            keys::list_heads(connection, listing, 10)?;
            keys::delete(connection, name)
        });
        assert_eq!((kept.len(), ran), (7, 21), "{kept:#?}");
    }

    #[test]
    fn what_publishing_and_deliveries_do_is_compiled_once() {
        let mut connection = migrated();
        let id = events::open_subscription(&mut connection, "a", "*", 0).unwrap().id;
        let (mut seq, mut attempts) = (0, 0);
        let seen = Seen::default();
        connection.set_instrumentation(seen.clone());
        for _ in 0..3 {
            let event = NewEvent { is_given: true, publisher: Some("ann".into()), ..event(&seq.to_string()) };
            assert_eq!(events::find_given(&mut connection, 0, &event).unwrap(), None);
            events::append(&mut connection, 0, &event, seq + 1, 0).unwrap();
            let problem = || Problem { code: "c".into(), message: "m".into() };
            let row = |attempts| RetryRow { seq: 1, key: None, attempts, due_ms: 0, problem: Some(problem()) };
            let dead_letter = DeadLetter { seq: 1, key: None, attempts, at_ms: 0, problem: problem() };
            let step = |retry| Step {
                subscription: id,
                epoch: 0,
                cursors: vec![CursorStep { lane: 0, from: seq, to: seq + 1 }],
                retries: vec![retry],
                dead_letters: vec![dead_letter.clone()],
            };
            let steps = [
                step(RetryStep::Insert(row(1))),
                Step { cursors: Vec::new(), ..step(RetryStep::Remove { seq: 1, attempts: 1 }) },
            ];
            for step in steps {
                assert!(step.check(&mut connection).is_ok());
                step.write(&mut connection).unwrap();
            }
            (seq, attempts) = (seq + 1, attempts + 1);
        }
        let (kept, ran) = seen.0.lock().unwrap().clone();
        // What two steps ask for is compiled for the first.
        assert_eq!((kept.len(), ran), (9, 36), "{kept:#?}");
    }

    #[test]
    fn what_reads_the_log_is_compiled_once() {
        let (kept, ran) = run_thrice(|connection| {
            for lane in [None, Some(1)] {
                let topics = Topics::Below("orders");
                let read = LogRead { lane, topics, after: 0, events_max: 10, bytes_max: 10 };
                events::read_events(connection, read).unwrap();
            }
            events::find_events(connection, &[1], 10).unwrap();
            Ok(())
        });
        assert!(ran > kept.len() * 2, "{kept:#?}");
        let different: std::collections::HashSet<_> = kept.iter().collect();
        assert_eq!(different.len(), kept.len(), "compiled anew");
    }
}
