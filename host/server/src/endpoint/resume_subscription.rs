//! `POST /api/subscriptions/{id}/resume`: events are delivered again.

use axum::{Json, extract::Path};
use backplane_store::{Connection, events as stored};

use super::subscription::{SubscriptionView, change, unknown_subscription};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// Resumes a subscription, whoever or whatever paused it.
///
/// # Errors
/// `unknown_subscription` or `events_unavailable`.
pub async fn resume_subscription(
    app: AppState,
    attempt: Attempt,
    Path(id): Path<String>,
) -> ApiResult<Json<SubscriptionView>> {
    let id = id.parse().map_err(|_invalid| unknown_subscription())?;
    let resume = move |connection: &mut Connection| stored::resume_subscription(connection, id).map(drop);
    Ok(Json(change(&app, attempt, id, String::new(), resume).await?))
}
