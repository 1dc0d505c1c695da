//! `POST /api/schedules/{plugin}/{handler}/run`: a run at once.

use axum::extract::Path;
use backplane_events::{RunNowError, ScheduleName};
use http::StatusCode;

use super::{event_failure::events_unavailable, run_to_end::run_to_end};
use crate::{
    app::AppState,
    identity::{
        store_failed,
        trail::{self, Attempt},
    },
    problem::{ApiError, ApiResult, codes},
};

/// When a schedule that cannot run now is worth another try.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// Begins a run of a schedule. What comes of it stands in the list of schedules. It deals with every slot up to now.
///
/// # Errors
/// `unknown_schedule`, `schedule_running`, `schedules_busy` or `events_unavailable`.
pub async fn run_schedule(
    app: AppState,
    attempt: Attempt,
    Path((plugin, handler)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    attempt.aim_at(&format!("{plugin}/{handler}"));
    let name = ScheduleName { plugin: plugin.into(), handler: handler.into() };
    run_to_end(async move {
        app.events.run_now(name).await.map_err(run_failed)?;
        // A run is no change of the store's that an entry could be one with.
        let entry = attempt.entry(trail::OK, app.clock.unix_ms());
        app.store.write(move |connection| trail::append(connection, entry)).await.map_err(store_failed)?;
        Ok(StatusCode::ACCEPTED)
    })
    .await
}

fn run_failed(error: RunNowError) -> ApiError {
    match error {
        RunNowError::Unknown => {
            ApiError::new(codes::UNKNOWN_SCHEDULE, "no live plugin has this schedule: `GET /api/schedules` lists them")
        }
        RunNowError::Running => ApiError::new(codes::SCHEDULE_RUNNING, "a run of this schedule is on its way"),
        RunNowError::Full { max } => {
            let detail = format!("{max} schedules run, which is as many as may at the same time");
            ApiError::new(codes::SCHEDULES_BUSY, detail).with_retry_after(RETRY_AFTER)
        }
        RunNowError::NotOpen | RunNowError::Gone(_) => events_unavailable(error),
    }
}
