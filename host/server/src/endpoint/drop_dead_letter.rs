//! `DELETE /api/dead-letters/{id}`: gives an event up.

use axum::extract::Path;
use http::StatusCode;

use super::{
    dead_letter::parse_id,
    settle_dead_letters::{Choice, Fate, settle},
};
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// Deletes a dead letter. The event stays in the log for as long as others do.
///
/// # Errors
/// `unknown_dead_letter` or `events_unavailable`.
pub async fn drop_dead_letter(app: AppState, attempt: Attempt, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let id = parse_id(&id)?;
    attempt.aim_at(&id.to_string());
    settle(&app, attempt, Choice::One(id), Fate::Drop).await?;
    Ok(StatusCode::NO_CONTENT)
}
