//! `POST /api/dead-letters/retry`: tries many events once more.

use axum::{Json, body::Body};
use serde::Serialize;

use super::{
    body::read_long_json,
    settle_dead_letters::{Chosen, EXPECTED, Fate, settle},
};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// The answer.
#[derive(Debug, Serialize)]
pub struct Retried {
    /// So many are tried again.
    retried: usize,
    /// Whether the subscription has more: ask again.
    more: bool,
}

/// Tries dead letters again: those that are named, or the oldest of a subscription.
///
/// # Errors
/// `invalid_request`, `unknown_dead_letter`, `unknown_subscription`, `retries_full` or `events_unavailable`.
pub async fn retry_dead_letters(app: AppState, attempt: Attempt, body: Body) -> ApiResult<Json<Retried>> {
    let chosen: Chosen = read_long_json(&app, body, EXPECTED).await?;
    let done = settle(&app, attempt, chosen.check()?, Fate::Retry).await?;
    Ok(Json(Retried { retried: done.count, more: done.more }))
}
