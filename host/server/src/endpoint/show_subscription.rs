//! `GET /api/subscriptions/{id}`: one subscription.

use axum::{Json, extract::Path};

use super::subscription::{SubscriptionView, find, may_manage, unknown_subscription};
use crate::{app::AppState, identity::trail::Caller, problem::ApiResult};

/// Shows a subscription that the caller may manage.
///
/// # Errors
/// `unknown_subscription` or `events_unavailable`.
pub async fn show_subscription(
    app: AppState,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<SubscriptionView>> {
    let id = id.parse().map_err(|_invalid| unknown_subscription())?;
    let found = find(&app, id).await?.filter(|view| may_manage(&app, &caller, view.pattern()));
    found.map(Json).ok_or_else(unknown_subscription)
}
