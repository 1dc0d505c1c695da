//! Brings a database to the schema that this program knows.
//!
//! - All missing migrations run in one transaction: a database has its old schema or the new one.
//! - A database that a newer program migrated is refused, and so is that of another program. Both stay untouched.

use std::{error::Error, path::Path};

use diesel::{
    QueryableByName,
    migration::{Migration, MigrationSource as _},
    prelude::*,
    sql_query, sql_types,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::open_error::OpenError;

/// Every migration, the oldest first.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// `PRAGMA application_id` of a Backplane database: "BkPl".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"BkPl");

diesel::table! {
    /// SQLite's own list of what a database has.
    sqlite_schema (name) {
        name -> Text,
        #[sql_name = "type"]
        kind -> Text,
    }
}

diesel::table! {
    /// The migrations that ran, as `diesel_migrations` keeps them.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

#[derive(QueryableByName)]
struct ApplicationId {
    #[diesel(sql_type = sql_types::Integer)]
    application_id: i32,
}

/// Why a database keeps the schema that it has.
enum Stop {
    Refused(OpenError),
    Query(diesel::result::Error),
    /// `diesel_migrations` keeps the type of its error to itself.
    Migration(Box<dyn Error + Send + Sync>),
}

/// Brings the database at `path` to the newest schema.
///
/// # Errors
/// When it is newer than this program, that of another program, or SQLite does not let it.
pub(crate) fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let run = |connection: &mut SqliteConnection| {
        let found = find_applied(connection, path)?;
        require_known(&found, &known()?, path)?;
        connection.run_pending_migrations(MIGRATIONS).map(drop).map_err(Stop::Migration)
    };
    connection.immediate_transaction(run).map_err(|stop| stop.at(path))
}

/// Checks that this program can migrate the database at `path` where it has to, and changes nothing.
///
/// # Errors
/// When it is newer than this program, or none of Backplane's.
pub(crate) fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    match connection.transaction(|connection| compare(connection, path)) {
        Ok(_) | Err(Stop::Refused(OpenError::Older { .. })) => Ok(()),
        Err(stop) => Err(stop.at(path)),
    }
}

/// Checks that the database at `path` has exactly the schema that this program knows, and changes nothing.
///
/// # Errors
/// When it has another one, or is none of Backplane's.
pub(crate) fn check_current(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    connection.transaction(|connection| compare(connection, path)).map_err(|stop| stop.at(path))
}

fn compare(connection: &mut SqliteConnection, path: &Path) -> Result<(), Stop> {
    let (found, known) = (find_applied(connection, path)?, known()?);
    require_known(&found, &known, path)?;
    let path = path.to_owned();
    match found.last() {
        None => Err(Stop::Refused(OpenError::Foreign { path })),
        Some(_) if found == known => Ok(()),
        Some(newest) => Err(Stop::Refused(OpenError::Older { path, found: newest.clone(), known: last(&known) })),
    }
}

/// Returns the versions of the migrations that ran, the oldest first; none in a database without a table.
fn find_applied(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, Stop> {
    use __diesel_schema_migrations::dsl;
    let id: ApplicationId = sql_query("PRAGMA application_id").get_result(connection)?;
    if id.application_id == APPLICATION_ID {
        return Ok(dsl::__diesel_schema_migrations.select(dsl::version).order(dsl::version).load(connection)?);
    }
    let tables: i64 = sqlite_schema::table.count().get_result(connection)?;
    match (id.application_id, tables) {
        (0, 0) => Ok(Vec::new()),
        _ => Err(Stop::Refused(OpenError::Foreign { path: path.to_owned() })),
    }
}

/// A migration that this program does not know was run by a newer one, whatever its number.
fn require_known(found: &[String], known: &[String], path: &Path) -> Result<(), Stop> {
    match found.iter().rfind(|version| !known.contains(version)) {
        None => Ok(()),
        Some(unknown) => {
            Err(Stop::Refused(OpenError::Newer { path: path.to_owned(), found: unknown.clone(), known: last(known) }))
        }
    }
}

/// Returns the versions of this program's migrations, the oldest first.
fn known() -> Result<Vec<String>, Stop> {
    let migrations = MIGRATIONS.migrations().map_err(Stop::Migration)?;
    let version = |migration: Box<dyn Migration<Sqlite>>| migration.name().version().to_string();
    let mut versions: Vec<String> = migrations.into_iter().map(version).collect();
    versions.sort_unstable();
    Ok(versions)
}

fn last(versions: &[String]) -> String {
    versions.last().cloned().unwrap_or_default()
}

impl Stop {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Refused(error) => error,
            Self::Query(error) => OpenError::from_query(path, error),
            Self::Migration(error) => OpenError::from_message(path, error.to_string()),
        }
    }
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(error)
    }
}

/// A new database in memory.
#[cfg(test)]
pub(crate) fn migrated() -> SqliteConnection {
    let mut connection = SqliteConnection::establish(":memory:").expect("memory is there");
    migrate(&mut connection, Path::new(":memory:")).expect("a new database takes every migration");
    connection
}

/// Makes the database one of the program before.
#[cfg(test)]
pub(crate) fn revert_last(connection: &mut SqliteConnection) {
    connection.revert_last_migration(MIGRATIONS).expect("every migration goes down");
}

#[cfg(test)]
mod tests;
