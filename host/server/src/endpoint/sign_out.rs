//! `POST /api/auth/logout`: a session ends, or all of an account's.

use axum::body::Body;
use backplane_store::{StoreError, identity::sessions};
use http::StatusCode;
use serde::Deserialize;

use super::body::read_optional_json;
use crate::{
    app::AppState,
    identity::{
        accounts::require_session,
        store_failed,
        trail::{self, Attempt},
    },
    problem::ApiResult,
};

/// The body, which may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logout {
    /// Whether every session of the account ends.
    #[serde(default)]
    all: bool,
}

/// Ends the session of the token that the request carries: its tokens are good no more.
///
/// # Errors
/// `forbidden` for a credential without a session.
pub async fn sign_out(app: AppState, attempt: Attempt, body: Body) -> ApiResult<StatusCode> {
    let Logout { all } = read_optional_json(&app, body, r#"{"all"?} or empty"#).await?;
    let session = require_session(&attempt.caller)?.to_owned();
    let clock = app.clock;
    let ended = app.store.write(move |connection| {
        let now = clock.unix_ms();
        if all {
            sessions::revoke_families_of(connection, attempt.caller.subject(), None, now.0)?;
            attempt.aim_at("all sessions");
        } else {
            sessions::revoke_family(connection, &session, now.0)?;
        }
        trail::append(connection, attempt.entry(trail::OK, now))?;
        Ok::<_, StoreError>(())
    });
    ended.await.map_err(store_failed)?;
    app.identity.learn().await;
    Ok(StatusCode::NO_CONTENT)
}
