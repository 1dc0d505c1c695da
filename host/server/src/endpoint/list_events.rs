//! `GET /api/events`: pages through the log.

use axum::Json;
use backplane_events::Seq;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{body::Parameters, event_failure::events_unavailable, topics::read_topics};
use crate::{
    app::AppState,
    follow::{PageBounds, read_lines},
    identity::trail::Caller,
    problem::{ApiError, ApiResult, codes},
};

/// Events of one answer by default.
const PAGE: usize = 100;
/// Events of one answer at most.
const PAGE_MAX: usize = 1000;
/// Bytes of one answer at most, and one event of any size.
const BYTES_MAX: usize = 4 << 20;

/// Which events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Topics and patterns, with commas between them. All by default.
    topic: Option<String>,
    /// Only those after this place.
    after: Option<i64>,
    /// At most as many.
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct EventPage {
    /// CloudEvents, the oldest first.
    events: Vec<Box<RawValue>>,
    /// What to ask for as `after`; nothing at the end.
    next: Option<i64>,
    /// Up to here nothing is missing: where to begin to follow.
    end: i64,
    /// Events before this place may have been deleted.
    kept_from: i64,
}

/// Lists events of the log in their order.
///
/// # Errors
/// `invalid_topic`, `invalid_request`, `forbidden`, `insufficient_scope` or `events_unavailable`.
pub async fn list_events(
    app: AppState,
    Caller(caller): Caller,
    Parameters(query): Parameters<EventQuery>,
) -> ApiResult<Json<EventPage>> {
    let topics = read_topics(&app, &caller, query.topic.as_deref())?;
    let after = Seq(query.after.unwrap_or(0));
    if after < Seq::ZERO {
        return Err(ApiError::new(codes::INVALID_REQUEST, "`after` must be a place of the log, or 0"));
    }
    let bounds = PageBounds { events_max: query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX), bytes_max: BYTES_MAX };
    let page = read_lines(&app, after, topics, bounds).await.map_err(events_unavailable)?;
    let events: Result<_, _> = page.events.iter().map(|event| serde_json::from_slice(&event.json)).collect();
    let Seq(end) = page.end;
    Ok(Json(EventPage {
        events: events.map_err(ApiError::internal)?,
        next: page.more.then_some(end),
        end,
        kept_from: page.kept_from.0,
    }))
}
