//! `POST /api/auth/setup`: whoever started the server makes its first administrator.

use axum::body::Body;
use backplane_auth::SecretString;
use http::StatusCode;
use serde::Deserialize;

use super::body::{NoStore, no_store, read_json};
use crate::{
    app::AppState,
    identity::{FirstAdministrator, Tokens, trail::Origin},
    problem::ApiResult,
};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    token: SecretString,
    name: String,
    password: SecretString,
}

/// Makes the first administrator, and signs it in.
///
/// # Errors
/// `invalid_setup_token`, `weak_password`, `user_exists`, or `invalid_request` for a name that cannot be one.
pub async fn set_up_server(app: AppState, origin: Origin, body: Body) -> ApiResult<NoStore<Tokens>> {
    let SetUp { token, name, password } = read_json(&app, body, r#"{"token", "name", "password"}"#).await?;
    let tokens = app.identity.set_up(FirstAdministrator { token, name, password }, &origin).await?;
    Ok(no_store(StatusCode::CREATED, tokens))
}
