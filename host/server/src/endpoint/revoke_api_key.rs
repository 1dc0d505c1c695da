//! `DELETE /api/api-keys/{id}`: an API key is good no more.

use axum::extract::Path;
use backplane_auth::Principal;
use backplane_store::{Connection, StoreError, identity::api_keys};
use http::StatusCode;

use super::owner::is_administrator;
use crate::{
    app::AppState,
    identity::{
        store_failed,
        trail::{self, Attempt},
    },
    problem::{ApiError, ApiResult, codes},
};

/// Ends one of the caller's API keys, or anybody's for an administrator.
///
/// # Errors
/// `unknown_api_key` when there is none of this id, it has ended, or it is another's.
pub async fn revoke_api_key(app: AppState, attempt: Attempt, Path(id): Path<String>) -> ApiResult<StatusCode> {
    attempt.aim_at(&id);
    let clock = app.clock;
    let revoked = app.store.write(move |connection| {
        let now = clock.unix_ms();
        let revoked = may_end(connection, &attempt.caller, &id)? && api_keys::revoke(connection, &id, now.0)?;
        if revoked {
            trail::append(connection, attempt.entry(trail::OK, now))?;
        }
        Ok::<_, StoreError>(revoked)
    });
    if !revoked.await.map_err(store_failed)? {
        return Err(ApiError::new(codes::UNKNOWN_API_KEY, "no API key of yours that is good has this id"));
    }
    app.identity.learn().await;
    Ok(StatusCode::NO_CONTENT)
}

fn may_end(connection: &mut Connection, caller: &Principal, id: &str) -> Result<bool, StoreError> {
    let found = api_keys::find_with_owner(connection, id)?;
    Ok(found.is_some_and(|found| is_administrator(caller) || found.key.subject == caller.subject()))
}
