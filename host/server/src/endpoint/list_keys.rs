//! `GET /api/keys`: the keys that access tokens are signed with.

use axum::Json;
use backplane_auth::StoredKey;
use jiff::Timestamp;
use serde::Serialize;

use crate::{app::AppState, clock::timestamp, identity::keys_failed, problem::ApiResult};

/// A signing key, without what it signs with.
#[derive(Debug, Serialize)]
pub struct KeyView {
    /// Its id, in the header of what it signed.
    kid: String,
    /// `next`, `active`, `retired` or `revoked`.
    state: &'static str,
    /// When it came to be in that state.
    changed_at: Timestamp,
}

impl From<StoredKey> for KeyView {
    fn from(key: StoredKey) -> Self {
        Self { kid: key.kid, state: key.state.as_str(), changed_at: timestamp(key.changed_at.0) }
    }
}

/// Lists the signing keys, the one that changed last at the end.
///
/// # Errors
/// `identity_unavailable` when they cannot be read.
pub async fn list_keys(app: AppState) -> ApiResult<Json<Vec<KeyView>>> {
    let keys = app.identity.list_keys().await.map_err(keys_failed)?;
    Ok(Json(keys.into_iter().map(KeyView::from).collect()))
}
