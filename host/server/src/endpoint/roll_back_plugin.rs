//! `POST /api/plugins/{name}/rollback`: an earlier version takes over.

use axum::{Json, body::Body, extract::Path};
use backplane_runtime::{ContentHash, PluginName};
use serde::Deserialize;

use super::run_to_end::run_to_end;
use crate::{
    app::AppState,
    identity::trail::{self, Attempt},
    live::{PluginView, RollBackError},
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Longest body in bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// The body, which may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    /// Which version; the one before the live one when absent.
    hash: Option<ContentHash>,
}

/// Makes an earlier version the live one, also after a restart, until the file in the folder changes.
///
/// Calls in flight finish on the version that they started with.
///
/// # Errors
/// `unknown_plugin`, `unknown_version`, `no_earlier_version`, or `invalid_plugin` when the version does not
/// load any more.
pub async fn roll_back_plugin(
    app: AppState,
    attempt: Attempt,
    Path(name): Path<String>,
    body: Body,
) -> ApiResult<Json<PluginView>> {
    attempt.aim_at(&name);
    let body = read_body(body, BODY_BYTES_MAX, app.config.http.body_timeout).await?;
    let wanted = parse_body(&body)?;
    // With what is written about it.
    run_to_end(async move { roll_back(&app, &attempt, &name, wanted.hash).await }).await.map(Json)
}

/// Does it, whatever surface it was asked on.
pub async fn roll_back(
    app: &AppState,
    attempt: &Attempt,
    name: &str,
    hash: Option<ContentHash>,
) -> ApiResult<PluginView> {
    attempt.aim_at(name);
    let plugin = PluginName::new(name).map_err(|_| refuse(RollBackError::UnknownPlugin))?;
    app.live.roll_back(plugin, hash).await.map_err(refuse)?;
    let view = app.live.snapshot().view(name);
    let hash = view.as_ref().and_then(|view| view.hash.as_ref());
    trail::note(app, attempt, hash.map(|hash| format!("hash: {hash}")).unwrap_or_default()).await;
    view.ok_or_else(|| refuse(RollBackError::UnknownPlugin))
}

fn parse_body(body: &[u8]) -> ApiResult<RollBack> {
    if body.is_empty() {
        return Ok(RollBack::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(codes::INVALID_REQUEST, format!("the body is {{\"hash\": \"...\"}} or empty: {error}"))
    })
}

fn refuse(error: RollBackError) -> ApiError {
    let code = match &error {
        RollBackError::UnknownPlugin => codes::UNKNOWN_PLUGIN,
        RollBackError::UnknownVersion => codes::UNKNOWN_VERSION,
        RollBackError::NoEarlierVersion => codes::NO_EARLIER_VERSION,
        RollBackError::Load(_) => codes::INVALID_PLUGIN,
        RollBackError::Superseded => codes::SUPERSEDED,
        RollBackError::Keep(_) => return ApiError::internal(error),
    };
    ApiError::new(code, error.to_string())
}
