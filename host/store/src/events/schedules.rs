//! Schedules: what is dealt with of what runs by the clock.

use diesel::{dsl::count_star, prelude::*};

use super::step::Problem;
use crate::{error::StoreError, keys::as_i64, schema::schedules};

/// Schedules that there may be.
pub const SCHEDULES_MAX: usize = 4096;

/// What of a schedule outlives the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleProgress {
    /// Its number, which never means another.
    pub id: i64,
    /// Every slot up to here is dealt with, in Unix milliseconds.
    pub done_to_ms: i64,
}

/// A schedule, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its number.
    pub id: i64,
    /// The plugin.
    pub plugin: String,
    /// The handler.
    pub handler: String,
    /// When it runs, as its plugin spells it.
    pub timing: String,
    /// Every slot up to here is dealt with, in Unix milliseconds.
    pub done_to_ms: i64,
    /// When it ran last, in Unix milliseconds.
    pub last_run_ms: Option<i64>,
    /// Why the last run failed, if it did.
    pub last_problem: Option<Problem>,
}

/// Why a schedule was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenScheduleError {
    /// There are too many.
    #[error("there are {SCHEDULES_MAX} schedules, which is the most that there can be")]
    TooMany,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for OpenScheduleError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

type Row = (i64, String, String, String, i64, Option<i64>, Option<String>, Option<String>);

/// Says that a schedule is declared, and returns its progress. A new one, and one whose spelling is another than before,
/// is dealt with up to `now_ms`.
///
/// # Errors
/// When there are too many, or the database cannot be written.
pub fn open_schedule(
    connection: &mut SqliteConnection,
    plugin: &str,
    handler: &str,
    timing: &str,
    now_ms: i64,
) -> Result<ScheduleProgress, OpenScheduleError> {
    let found: Option<(i64, String, i64)> = schedules::table
        .filter(schedules::plugin.eq(plugin).and(schedules::handler.eq(handler)))
        .select((schedules::id, schedules::timing, schedules::done_to_ms))
        .first(connection)
        .optional()?;
    if let Some((id, spelling, done_to_ms)) = found {
        if spelling == timing {
            return Ok(ScheduleProgress { id, done_to_ms });
        }
        diesel::update(schedules::table.find(id))
            .set((schedules::timing.eq(timing), schedules::done_to_ms.eq(now_ms)))
            .execute(connection)?;
        return Ok(ScheduleProgress { id, done_to_ms: now_ms });
    }
    let count: i64 = schedules::table.select(count_star()).first(connection)?;
    if count >= as_i64(SCHEDULES_MAX) {
        return Err(OpenScheduleError::TooMany);
    }
    let id = diesel::insert_into(schedules::table)
        .values((
            schedules::plugin.eq(plugin),
            schedules::handler.eq(handler),
            schedules::timing.eq(timing),
            schedules::done_to_ms.eq(now_ms),
        ))
        .returning(schedules::id)
        .get_result(connection)?;
    Ok(ScheduleProgress { id, done_to_ms: now_ms })
}

/// Deletes a schedule, because nobody declares it any more. A run on its way commits nothing.
///
/// # Errors
/// When the database cannot be written.
pub fn close_schedule(connection: &mut SqliteConnection, id: i64) -> Result<(), StoreError> {
    diesel::delete(schedules::table.find(id)).execute(connection)?;
    Ok(())
}

/// Returns all schedules, by plugins and handlers.
///
/// # Errors
/// When the database cannot be read.
pub fn list_schedules(connection: &mut SqliteConnection) -> Result<Vec<Schedule>, StoreError> {
    let rows: Vec<Row> = schedules::table.order((schedules::plugin, schedules::handler)).load(connection)?;
    Ok(rows.into_iter().map(schedule).collect())
}

/// Returns the schedule of a number.
///
/// # Errors
/// When the database cannot be read.
pub fn find_schedule(connection: &mut SqliteConnection, id: i64) -> Result<Option<Schedule>, StoreError> {
    let row: Option<Row> = schedules::table.find(id).first(connection).optional()?;
    Ok(row.map(schedule))
}

fn schedule((id, plugin, handler, timing, done_to_ms, last_run_ms, code, message): Row) -> Schedule {
    let last_problem = code.zip(message).map(|(code, message)| Problem { code: code.into(), message: message.into() });
    Schedule { id, plugin, handler, timing, done_to_ms, last_run_ms, last_problem }
}
