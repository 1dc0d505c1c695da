//! `POST /api/subscriptions/{id}/pause`: nothing is delivered until somebody resumes it.

use axum::{Json, extract::Path};
use backplane_store::{Connection, events as stored};

use super::subscription::{SubscriptionView, change, unknown_subscription};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// Why a subscription is paused that somebody paused.
const ASKED: &str = "asked";

/// Pauses a subscription. Its events stay in the log; what is on its way ends.
///
/// # Errors
/// `unknown_subscription` or `events_unavailable`.
pub async fn pause_subscription(
    app: AppState,
    attempt: Attempt,
    Path(id): Path<String>,
) -> ApiResult<Json<SubscriptionView>> {
    let id = id.parse().map_err(|_invalid| unknown_subscription())?;
    let pause = move |connection: &mut Connection| stored::pause_subscription(connection, id, ASKED).map(drop);
    Ok(Json(change(&app, attempt, id, String::new(), pause).await?))
}
