//! `GET /api/plugins`: everything that the folder has brought.

use axum::Json;

use crate::{app::AppState, live::PluginView};

/// Lists live plugins by name, then files that were refused, then generations that finish their calls.
pub async fn list_plugins(app: AppState) -> Json<Vec<PluginView>> {
    Json(app.live.snapshot().views())
}
