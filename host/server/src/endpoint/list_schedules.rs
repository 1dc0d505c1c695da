//! `GET /api/schedules`: what runs by the clock, when it ran, and when it runs next.

use axum::Json;
use backplane_store::{
    StoreError,
    events::{self as stored, Schedule},
};
use jiff::Timestamp;
use serde::Serialize;

use super::event_failure::events_unavailable;
use crate::{app::AppState, clock::timestamp, identity::trail, problem::ApiResult};

/// The answer.
#[derive(Debug, Serialize)]
pub struct ScheduleList {
    /// By plugin and handler.
    schedules: Vec<ScheduleView>,
}

/// A schedule of a live plugin.
#[derive(Debug, Serialize)]
struct ScheduleView {
    plugin: String,
    handler: String,
    /// When it runs, as the plugin says.
    timing: String,
    next_run_at: Option<Timestamp>,
    /// When it ran last.
    last_run_at: Option<Timestamp>,
    /// `ok`, or the code of the problem.
    last_result: Option<String>,
    /// What the problem said, where there was one.
    last_message: Option<String>,
    running: bool,
    /// Slots that were skipped since the server started.
    skipped: u64,
}

/// Lists the schedules of the live plugins.
///
/// # Errors
/// `events_unavailable`.
pub async fn list_schedules(app: AppState) -> ApiResult<Json<ScheduleList>> {
    let rows = app.events.read(stored::list_schedules).await;
    let rows = rows.map_err(|error: StoreError| events_unavailable(error))?;
    let declared = app.events.schedules().await.map_err(events_unavailable)?;
    let schedules = declared.into_iter().map(|view| {
        let is_it = |row: &&Schedule| *row.plugin == *view.name.plugin && *row.handler == *view.name.handler;
        let row = rows.iter().find(is_it);
        ScheduleView {
            plugin: view.name.plugin.to_string(),
            handler: view.name.handler.to_string(),
            timing: view.timing,
            next_run_at: view.next.map(|next| timestamp(next.0)),
            last_run_at: row.and_then(|row| row.last_run_ms).map(timestamp),
            last_result: row.and_then(last_result),
            last_message: row.and_then(|row| row.last_problem.as_ref()).map(|problem| problem.message.to_string()),
            running: view.is_running,
            skipped: view.skipped,
        }
    });
    Ok(Json(ScheduleList { schedules: schedules.collect() }))
}

/// Returns what came of the last run, if there was one.
fn last_result(row: &Schedule) -> Option<String> {
    row.last_run_ms?;
    Some(row.last_problem.as_ref().map_or(trail::OK.to_owned(), |problem| problem.code.to_string()))
}
