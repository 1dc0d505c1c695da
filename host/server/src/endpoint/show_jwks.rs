//! `GET /.well-known/jwks.json`: the public keys, for whoever verifies this server's access tokens.

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::app::AppState;

/// Shows the key set (RFC 7517 §5). A key is in it for a day before it signs, but after a rotation by hand: whoever meets
/// a key that is not in its copy asks again.
pub async fn show_jwks(app: AppState) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, app.identity.jwks().to_string())
}
