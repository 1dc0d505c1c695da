//! `GET /api/subscriptions`: who takes which events, and how far they are.

use axum::Json;
use backplane_store::{
    StoreError,
    events::{self as stored, SubscriptionQuery},
};
use serde::{Deserialize, Serialize};

use super::{
    body::Parameters,
    event_failure::events_unavailable,
    subscription::{SubscriptionView, delivering, may_manage},
};
use crate::{app::AppState, identity::trail::Caller, problem::ApiResult};

/// Subscriptions of one answer, by default and at most.
const PAGE: usize = 100;
/// Events of the log that are looked at to say how many wait for one of them.
const LAG_EVENTS_MAX: usize = 10_000;

/// Which subscriptions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only those after this one.
    after: Option<i64>,
    /// At most as many.
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct SubscriptionPage {
    /// Those that the caller may manage, by their numbers.
    subscriptions: Vec<SubscriptionView>,
    /// What to ask for as `after`; nothing at the end.
    next: Option<i64>,
}

/// Lists the subscriptions that the caller may manage.
///
/// # Errors
/// `events_unavailable`.
pub async fn list_subscriptions(
    app: AppState,
    Caller(caller): Caller,
    Parameters(wanted): Parameters<Wanted>,
) -> ApiResult<Json<SubscriptionPage>> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = wanted.after.unwrap_or(0);
    let query = SubscriptionQuery { after, limit: limit + 1, lag_events_max: LAG_EVENTS_MAX };
    let found = app.events.read(move |connection| stored::list_subscriptions(connection, query)).await;
    let mut found = found.map_err(|error: StoreError| events_unavailable(error))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|status| status.id);
    let delivering = delivering(&app).await;
    let managed = found.into_iter().filter(|status| may_manage(&app, &caller, &status.pattern));
    let subscriptions = managed.map(|status| SubscriptionView::new(status, &delivering)).collect();
    Ok(Json(SubscriptionPage { subscriptions, next }))
}
