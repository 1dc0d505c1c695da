//! `GET /api/plugins/{name}/versions`: what a plugin can be rolled back to.

use axum::{Json, extract::Path};
use backplane_runtime::{ContentHash, PluginName};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::AppState,
    problem::{ApiError, ApiResult, codes},
};

/// One version that is kept.
#[derive(Debug, Serialize)]
pub struct VersionView {
    /// SHA-256 of the component: what a rollback names.
    pub(crate) hash: ContentHash,
    /// By its manifest.
    pub(crate) version: String,
    /// Name of the file that it came in.
    pub(crate) file: String,
    /// When it last went live.
    pub(crate) loaded_at: Timestamp,
    /// Whether it takes the calls now.
    pub(crate) live: bool,
}

/// Lists the versions that are kept, at most five, the latest deployment first.
///
/// # Errors
/// `unknown_plugin` when none was ever live under this name.
pub async fn list_versions(app: AppState, Path(name): Path<String>) -> ApiResult<Json<Vec<VersionView>>> {
    let history = PluginName::new(&name).map(|plugin| app.versions.history(&plugin)).unwrap_or_default();
    if history.versions.is_empty() {
        return Err(ApiError::new(codes::UNKNOWN_PLUGIN, "no plugin of this name was ever live here"));
    }
    let live = history.live;
    let view = |record: crate::versions::VersionRecord| VersionView {
        live: live == Some(record.hash),
        hash: record.hash,
        version: record.version,
        file: record.file,
        loaded_at: record.loaded_at,
    };
    Ok(Json(history.versions.into_iter().map(view).collect()))
}
