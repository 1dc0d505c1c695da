//! `POST /api/dead-letters/{id}/retry`: tries an event once more.

use axum::extract::Path;
use http::StatusCode;

use super::{
    dead_letter::parse_id,
    settle_dead_letters::{Choice, Fate, settle},
};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// Tries a dead letter again, with as many attempts as if it were new.
///
/// # Errors
/// `unknown_dead_letter`, `retries_full` or `events_unavailable`.
pub async fn retry_dead_letter(app: AppState, attempt: Attempt, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let id = parse_id(&id)?;
    attempt.aim_at(&id.to_string());
    settle(&app, attempt, Choice::One(id), Fate::Retry).await?;
    Ok(StatusCode::ACCEPTED)
}
