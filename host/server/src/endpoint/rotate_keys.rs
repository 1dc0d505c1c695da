//! `POST /api/keys/rotate`: another key signs, or a key that somebody may have stolen is believed no more.

use axum::{Json, body::Body};
use serde::Deserialize;

use super::{body::read_optional_json, list_keys::KeyView};
use crate::{
    app::AppState,
    identity::{keys_failed, trail::Attempt},
    problem::ApiResult,
};

/// The body, which may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// The key that is believed no more.
    revoke: Option<String>,
}

/// Signs with another key from now on. Without a body what was signed before stays good, so nobody is signed out; what
/// a revoked key signed is refused at once, and its holders refresh.
///
/// # Errors
/// `unknown_key` or `limit_reached`.
pub async fn rotate_keys(app: AppState, attempt: Attempt, body: Body) -> ApiResult<Json<Vec<KeyView>>> {
    let Rotate { revoke } = read_optional_json(&app, body, r#"{"revoke"?} or empty"#).await?;
    let keys = match &revoke {
        Some(kid) => {
            attempt.aim_at(kid);
            app.identity.revoke_key(kid, &attempt).await
        }
        None => app.identity.replace_key(&attempt).await,
    };
    Ok(Json(keys.map_err(keys_failed)?.into_iter().map(KeyView::from).collect()))
}
