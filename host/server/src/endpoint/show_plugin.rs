//! `GET /api/plugins/{name}`: one plugin.

use axum::{Json, extract::Path};

use crate::{
    app::AppState,
    live::PluginView,
    problem::{ApiError, ApiResult, codes},
};

/// Describes the plugin as it is now.
///
/// # Errors
/// `unknown_plugin` when the folder has none of this name, or its first file is still being loaded.
pub async fn show_plugin(app: AppState, Path(name): Path<String>) -> ApiResult<Json<PluginView>> {
    let snapshot = app.live.snapshot();
    let detail = match snapshot.loading.values().any(|loading| loading.plugin.as_str() == name) {
        true => "this plugin's file is being loaded: nothing is decided yet",
        false => "no file in the plugin folder brings this plugin",
    };
    snapshot.view(&name).map(Json).ok_or_else(|| ApiError::new(codes::UNKNOWN_PLUGIN, detail))
}
