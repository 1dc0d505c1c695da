//! `PUT /api/auth/password`: the owner of an account chooses another password.

use axum::body::Body;
use backplane_auth::SecretString;
use http::StatusCode;
use serde::Deserialize;

use super::body::read_json;
use crate::{app::AppState, identity::trail::Attempt, problem::ApiResult};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    current: SecretString,
    new: SecretString,
}

/// Changes the caller's password, and ends its other sessions. Every access token of the account is good no more: the
/// session of this request goes on with a refresh.
///
/// # Errors
/// `invalid_credentials` when the current one is wrong; `weak_password`; `too_many_attempts`; `sign_in_busy`;
/// `forbidden` for a credential without a session.
pub async fn change_password(app: AppState, attempt: Attempt, body: Body) -> ApiResult<StatusCode> {
    let ChangePassword { current, new } = read_json(&app, body, r#"{"current", "new"}"#).await?;
    app.identity.change_password(attempt, &current, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}
