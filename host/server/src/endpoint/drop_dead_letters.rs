//! `POST /api/dead-letters/drop`: deletes many dead letters.

use axum::{Json, body::Body};
use serde::Serialize;

use super::{
    body::read_long_json,
    settle_dead_letters::{Chosen, EXPECTED, Fate, settle},
};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// The answer.
#[derive(Debug, Serialize)]
pub struct Dropped {
    /// So many are deleted.
    dropped: usize,
    /// Whether the subscription has more: ask again.
    more: bool,
}

/// Deletes dead letters: those that are named, or the oldest of a subscription.
///
/// # Errors
/// `invalid_request`, `unknown_dead_letter`, `unknown_subscription` or `events_unavailable`.
pub async fn drop_dead_letters(app: AppState, attempt: Attempt, body: Body) -> ApiResult<Json<Dropped>> {
    let chosen: Chosen = read_long_json(&app, body, EXPECTED).await?;
    let done = settle(&app, attempt, chosen.check()?, Fate::Drop).await?;
    Ok(Json(Dropped { dropped: done.count, more: done.more }))
}
