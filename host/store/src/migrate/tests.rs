//! Migrations up, down and refused, and the tables as diesel sees them against those that are there.

use std::collections::BTreeMap;

use diesel::{connection::SimpleConnection as _, query_builder::QueryFragment, query_dsl::methods};

use super::*;
use crate::schema;

type TestResult = Result<(), Box<dyn Error>>;

fn in_memory() -> ConnectionResult<SqliteConnection> {
    SqliteConnection::establish(":memory:")
}

fn path() -> &'static Path {
    Path::new("/data/backplane.sqlite")
}

fn tables(connection: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    let is_ours = sqlite_schema::name.not_like("sqlite_%").and(sqlite_schema::name.not_like("\\_\\_%").escape('\\'));
    sqlite_schema::table
        .filter(sqlite_schema::kind.eq("table").and(is_ours))
        .select(sqlite_schema::name)
        .order(sqlite_schema::name)
        .load(connection)
}

fn application_id(connection: &mut SqliteConnection) -> QueryResult<i32> {
    let id: ApplicationId = sql_query("PRAGMA application_id").get_result(connection)?;
    Ok(id.application_id)
}

#[test]
fn every_migration_goes_up_and_down_again() -> TestResult {
    let mut connection = in_memory()?;
    migrate(&mut connection, path())?;
    assert_eq!(application_id(&mut connection)?, APPLICATION_ID);
    check_current(&mut connection, path())?;
    for left in (0..known().map_err(|stop| stop.at(path()))?.len()).rev() {
        revert_last(&mut connection);
        assert_eq!(connection.applied_migrations().map_err(|error| error.to_string())?.len(), left);
    }
    assert_eq!(tables(&mut connection)?, [""; 0]);
    assert_eq!(application_id(&mut connection)?, 0);
    Ok(())
}

#[test]
fn what_is_missing_is_made_and_what_is_there_stays() -> TestResult {
    let mut connection = in_memory()?;
    migrate(&mut connection, path())?;
    let all = tables(&mut connection)?;
    revert_last(&mut connection);
    connection.batch_execute("INSERT INTO plugins (name) VALUES ('a')")?;

    check(&mut connection, path())?;
    let older = check_current(&mut connection, path()).expect_err("a migration is missing");
    assert!(matches!(older, OpenError::Older { .. }), "{older}");
    for _ in 0..2 {
        migrate(&mut connection, path())?;
        assert_eq!(tables(&mut connection)?, all);
    }
    let plugins = schema::plugins::table.select(schema::plugins::name).order(schema::plugins::id);
    assert_eq!(plugins.load::<String>(&mut connection)?, ["", "a"]);
    Ok(())
}

#[test]
fn a_newer_database_is_refused_with_both_versions() -> TestResult {
    let mut connection = in_memory()?;
    migrate(&mut connection, path())?;
    connection.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')")?;
    let known = last(&known().map_err(|stop| stop.at(path()))?);
    for refused in [migrate, check, check_current].map(|refuse| refuse(&mut connection, path())) {
        let message = refused.expect_err("the database is newer").to_string();
        assert_eq!(
            message,
            format!(
                "/data/backplane.sqlite has schema 20990101000001, this program knows schemas up to {known}: run the \
                 newer program again, or restore a backup from before the update"
            )
        );
    }
    Ok(())
}

#[test]
fn the_database_of_another_program_is_refused_and_stays_as_it_is() -> TestResult {
    for theirs in ["CREATE TABLE theirs (a)", "PRAGMA application_id = 7"] {
        let mut connection = in_memory()?;
        connection.batch_execute(theirs)?;
        let before = (application_id(&mut connection)?, tables(&mut connection)?);
        for refused in [migrate, check, check_current].map(|refuse| refuse(&mut connection, path())) {
            let error = refused.expect_err("the database is not Backplane's");
            assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        }
        assert_eq!((application_id(&mut connection)?, tables(&mut connection)?), before);
    }
    Ok(())
}

#[test]
fn an_empty_file_is_no_database_to_a_command() -> TestResult {
    for check in [check, check_current] {
        let error = check(&mut in_memory()?, path()).expect_err("nothing is in it");
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    }
    Ok(())
}

#[test]
fn a_migration_that_fails_leaves_the_schema_before_and_says_why() -> TestResult {
    let full = "there is no space left for /data/backplane.sqlite: free some, then start again";
    let read_only = "/data/backplane.sqlite cannot be written to: let this user write to the file and its folder";
    for (obstacle, expected) in [("max_page_count = 12", full), ("query_only = ON", read_only)] {
        let mut connection = in_memory()?;
        connection.batch_execute(&format!("PRAGMA {obstacle}"))?;
        let refused = migrate(&mut connection, path()).expect_err("the database takes no more");
        assert_eq!(refused.to_string(), expected);
        assert_eq!(tables(&mut connection)?, [""; 0]);
    }
    Ok(())
}

#[test]
fn diesel_sees_the_tables_that_are_there() -> TestResult {
    let mut connection = in_memory()?;
    migrate(&mut connection, path())?;
    let declared = BTreeMap::from([
        described(schema::plugins::table),
        described(schema::counters::table),
        described(schema::kv::table),
        described(schema::usage::table),
        described(schema::replies::table),
        described(schema::versions::table),
        described(schema::choices::table),
        described(schema::users::table),
        described(schema::role_holders::table),
        described(schema::sessions::table),
        described(schema::refresh_tokens::table),
        described(schema::api_keys::table),
        described(schema::signing_keys::table),
        described(schema::revocations::table),
        described(schema::audit::table),
        described(schema::events::table),
        described(schema::event_usage::table),
        described(schema::subscriptions::table),
        described(schema::cursors::table),
        described(schema::retries::table),
        described(schema::dead_letters::table),
        described(schema::schedules::table),
    ]);
    let mut real = BTreeMap::new();
    for table in tables(&mut connection)? {
        let columns = columns_of(&mut connection, &table)?;
        real.insert(table, columns);
    }
    assert_eq!(declared, real);
    Ok(())
}

/// A column: its name, its type and whether it may be NULL, and its place in the primary key, which counts from 1.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    name: String,
    sql_type: String,
    key_place: usize,
}

#[derive(QueryableByName)]
struct TableColumn {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text, column_name = "type")]
    sql_type: String,
    #[diesel(sql_type = sql_types::Integer)]
    notnull: i32,
    #[diesel(sql_type = sql_types::Integer)]
    pk: i32,
}

fn columns_of(connection: &mut SqliteConnection, table: &str) -> Result<Vec<Described>, Box<dyn Error>> {
    let columns: Vec<TableColumn> = sql_query(format!("PRAGMA table_info({table})")).load(connection)?;
    let describe = |column: TableColumn| {
        let nullable = if column.notnull == 0 { " NULL" } else { "" };
        let key_place = usize::try_from(column.pk)?;
        Ok(Described { name: column.name, sql_type: column.sql_type + nullable, key_place })
    };
    columns.into_iter().map(describe).collect()
}

/// What `schema.rs` says of a table, whose columns diesel only names in the SQL that it makes.
fn described<T>(table: T) -> (String, Vec<Described>)
where
    T: Table + Copy + methods::SelectDsl<T::AllColumns, Output: QueryFragment<Sqlite>>,
    T: methods::SelectDsl<T::PrimaryKey, Output: QueryFragment<Sqlite>>,
    T::AllColumns: Expression<SqlType: ColumnTypes>,
{
    let (name, columns) = selected(&methods::SelectDsl::select(table, T::all_columns()));
    let (_, key) = selected(&methods::SelectDsl::select(table, table.primary_key()));
    let describe = |(name, sql_type): (String, String)| {
        let key_place = key.iter().position(|column| *column == name).map_or(0, |place| place + 1);
        Described { name, sql_type, key_place }
    };
    let types = <T::AllColumns as Expression>::SqlType::names();
    (name, columns.into_iter().zip(types).map(describe).collect())
}

/// Reads a table and its columns out of "SELECT `t`.`a`, `t`.`b` FROM `t`".
fn selected(query: &impl QueryFragment<Sqlite>) -> (String, Vec<String>) {
    let sql = diesel::debug_query::<Sqlite, _>(query).to_string();
    let sql = sql.trim_start_matches("SELECT ").split(" -- ").next().unwrap_or_default();
    let (columns, table) = sql.split_once(" FROM ").expect("a SELECT has a FROM");
    let name = |column: &str| column.rsplit('.').next().unwrap_or_default().replace('`', "");
    (table.replace('`', ""), columns.split(", ").map(name).collect())
}

/// The types of a table's columns, as SQLite names them.
trait ColumnTypes {
    fn names() -> Vec<String>;
}

trait ColumnType {
    fn name() -> String;
}

impl ColumnType for sql_types::BigInt {
    fn name() -> String {
        "INTEGER".into()
    }
}

impl ColumnType for sql_types::Integer {
    fn name() -> String {
        "INTEGER".into()
    }
}

impl ColumnType for sql_types::Text {
    fn name() -> String {
        "TEXT".into()
    }
}

impl ColumnType for sql_types::Binary {
    fn name() -> String {
        "BLOB".into()
    }
}

impl<T: ColumnType + sql_types::SqlType<IsNull = sql_types::is_nullable::NotNull>> ColumnType
    for sql_types::Nullable<T>
{
    fn name() -> String {
        T::name() + " NULL"
    }
}

macro_rules! column_types {
    ($($($one:ident)+,)+) => {
        $(impl<$($one: ColumnType),+> ColumnTypes for ($($one,)+) {
            fn names() -> Vec<String> {
                vec![$($one::name()),+]
            }
        })+
    };
}

column_types!(
    A B,
    A B C,
    A B C D,
    A B C D E,
    A B C D E F,
    A B C D E F G,
    A B C D E F G H,
    A B C D E F G H I,
    A B C D E F G H I J K,
    A B C D E F G H I J K L M N,
);
