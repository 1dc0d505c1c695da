//! `POST /api/auth/refresh`: a session goes on.

use axum::body::Body;
use backplane_auth::SecretString;
use http::StatusCode;
use serde::Deserialize;

use super::body::{NoStore, no_store, read_json};
use crate::{
    app::AppState,
    identity::{Tokens, trail::Origin},
    problem::ApiResult,
};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: SecretString,
}

/// Replaces a refresh token. The access token says what the account is now.
///
/// # Errors
/// `invalid_refresh_token`, also for one that was used before: its session has ended then.
pub async fn refresh_session(app: AppState, origin: Origin, body: Body) -> ApiResult<NoStore<Tokens>> {
    let Refresh { refresh_token } = read_json(&app, body, r#"{"refresh_token"}"#).await?;
    let tokens = app.identity.refresh(&refresh_token, &origin).await?;
    Ok(no_store(StatusCode::OK, tokens))
}
