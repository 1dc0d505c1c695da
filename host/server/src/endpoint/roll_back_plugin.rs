//! `POST /api/plugins/{name}/rollback`: an earlier version takes over.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, rejection::BytesRejection},
};
use backplane_runtime::{ContentHash, PluginName};
use serde::Deserialize;

use crate::{
    app::AppState,
    live::{PluginView, RollBackError},
    problem::{ApiError, ApiResult, codes},
};

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
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> ApiResult<Json<PluginView>> {
    let wanted = read_body(&body.map_err(|_| ApiError::payload_too_large(2 << 20))?)?;
    let plugin = PluginName::new(&name).map_err(|_| refuse(RollBackError::UnknownPlugin))?;
    app.live.roll_back(plugin, wanted.hash).await.map_err(refuse)?;
    let view = app.live.snapshot().view(&name);
    view.map(Json).ok_or_else(|| refuse(RollBackError::UnknownPlugin))
}

fn read_body(body: &[u8]) -> ApiResult<RollBack> {
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
