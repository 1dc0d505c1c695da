//! `GET /api/api-keys`: the API keys of an account, without their secrets.

use axum::Json;
use backplane_store::identity::api_keys::{self, API_KEYS_MAX, ApiKey, ENDED_API_KEYS_MAX};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    body::Parameters,
    owner::{find_owner, owner_failed},
    show_user::list_names,
};
use crate::{app::AppState, clock::timestamp, identity::trail::Caller, problem::ApiResult};

/// Whose keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyQuery {
    /// The name of the account; the caller's when absent.
    user: Option<String>,
}

/// A key, without its secret.
#[derive(Debug, Serialize)]
pub struct ApiKeyView {
    id: String,
    name: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// To a minute.
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            scopes: list_names(&key.scopes),
            created_at: timestamp(key.created_at_ms),
            expires_at: key.expires_at_ms.map(timestamp),
            revoked_at: key.revoked_at_ms.map(timestamp),
            last_used_at: key.last_used_at_ms.map(timestamp),
            id: key.id,
            name: key.name,
        }
    }
}

/// Lists the caller's API keys, or another account's for an administrator: those that are good, and those that ended
/// lately.
///
/// # Errors
/// `forbidden`, or `unknown_user` for an administrator.
pub async fn list_api_keys(
    app: AppState,
    Caller(caller): Caller,
    Parameters(query): Parameters<ApiKeyQuery>,
) -> ApiResult<Json<Vec<ApiKeyView>>> {
    let keys = app.identity.read(move |connection| {
        let owner = find_owner(connection, &caller, query.user.as_deref())?;
        Ok(api_keys::list(connection, Some(&owner.subject), None, API_KEYS_MAX + ENDED_API_KEYS_MAX)?)
    });
    let keys = keys.await.map_err(owner_failed)?;
    Ok(Json(keys.into_iter().map(ApiKeyView::from).collect()))
}
