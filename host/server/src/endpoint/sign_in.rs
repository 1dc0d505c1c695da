//! `POST /api/auth/login`: from a name and a password to tokens.

use axum::body::Body;
use backplane_auth::{Names, SecretString};
use http::StatusCode;
use serde::Deserialize;

use super::body::{NoStore, no_store, read_json};
use crate::{
    app::AppState,
    identity::{Credentials, Tokens, trail::Origin},
    problem::{ApiError, ApiResult, codes},
};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: String,
    password: SecretString,
    /// Scopes with spaces between them (RFC 6749 §3.3), for a session that may do less than its account.
    scope: Option<String>,
}

/// Opens a session.
///
/// # Errors
/// `invalid_credentials`, the same for an account that does not exist; `too_many_attempts`; `sign_in_busy`;
/// `invalid_request` for scopes that the account does not have.
pub async fn sign_in(app: AppState, origin: Origin, body: Body) -> ApiResult<NoStore<Tokens>> {
    let Login { name, password, scope } = read_json(&app, body, r#"{"name", "password", "scope"?}"#).await?;
    let scopes = scope.as_deref().map(parse_scope).transpose()?;
    let tokens = app.identity.sign_in(Credentials { name, password, scopes }, &origin).await?;
    Ok(no_store(StatusCode::OK, tokens))
}

fn parse_scope(scope: &str) -> ApiResult<Names> {
    let detail = "`scope` is not scopes with single spaces between them";
    Names::from_scope(scope).ok_or_else(|| ApiError::new(codes::INVALID_REQUEST, detail))
}
