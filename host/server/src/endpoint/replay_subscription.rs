//! `POST /api/subscriptions/{id}/replay`: events are delivered once more.

use std::time::Duration;

use axum::{Json, body::Body, extract::Path};
use backplane_store::{
    Connection,
    events::{self as stored, ReplayFrom},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    body::read_json,
    subscription::{SubscriptionView, change, unknown_subscription},
};
use crate::{
    app::AppState,
    identity::trail::Attempt,
    problem::{ApiError, ApiResult, codes},
};

/// How long a commit may wait until it is written.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The body: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// From this place of the log on, which is delivered too.
    sequence: Option<i64>,
    /// From this time on.
    time: Option<Timestamp>,
}

/// Delivers again what is kept of the log from a place or a time on. Dead letters of these events go: the log delivers
/// them.
///
/// # Errors
/// `invalid_request`, `unknown_subscription` or `events_unavailable`.
pub async fn replay_subscription(
    app: AppState,
    attempt: Attempt,
    Path(id): Path<String>,
    body: Body,
) -> ApiResult<Json<SubscriptionView>> {
    let id = id.parse().map_err(|_invalid| unknown_subscription())?;
    let expected = r#"{"sequence": N} or {"time": "2026-11-25T09:20:01Z"}"#;
    let (from, detail) = match read_json(&app, body, expected).await? {
        Replay { sequence: Some(sequence), time: None } if sequence > 0 => {
            (ReplayFrom::After(sequence - 1), format!("from sequence {sequence}"))
        }
        Replay { sequence: None, time: Some(time) } => {
            // A plugin's event is of the time at which its call began to read.
            let late = app.config.limits.timeout_max.saturating_add(WRITE_WAIT_MAX);
            let late_ms = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
            (ReplayFrom::Time { at_ms: time.as_millisecond(), late_ms }, format!("from {time}"))
        }
        _ => return Err(ApiError::new(codes::INVALID_REQUEST, format!("the body is not {expected}"))),
    };
    let replay = move |connection: &mut Connection| stored::replay_subscription(connection, id, from).map(drop);
    Ok(Json(change(&app, attempt, id, detail, replay).await?))
}
