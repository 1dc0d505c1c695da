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
/// `unknown_plugin` when the folder has none of this name.
pub async fn show_plugin(app: AppState, Path(name): Path<String>) -> ApiResult<Json<PluginView>> {
    let view = app.live.snapshot().view(&name);
    view.map(Json)
        .ok_or_else(|| ApiError::new(codes::UNKNOWN_PLUGIN, "no file in the plugin folder brings this plugin"))
}
