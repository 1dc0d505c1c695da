//! `GET /api/plugins/{name}/storage`: what a plugin keeps, and what it may keep.

use axum::{Json, extract::Path};
use backplane_runtime::PluginName;
use backplane_store::Usage;
use serde::Serialize;

use crate::{
    app::AppState,
    problem::{ApiError, ApiResult, codes},
};

/// What a plugin keeps. What expired counts until it is deleted, which takes a minute at most.
#[derive(Debug, Serialize)]
pub struct StorageView {
    /// Keys.
    keys: u64,
    /// Answers that are kept for repeated requests.
    replies: u64,
    /// Of both together, in bytes.
    bytes: u64,
    /// What it may keep.
    quota: QuotaView,
}

/// What a plugin may keep.
#[derive(Debug, Serialize)]
struct QuotaView {
    keys: u64,
    bytes: u64,
}

/// Says what a plugin keeps, also when its file is gone: what was kept stays.
///
/// # Errors
/// `unknown_plugin` when no plugin of this name is here or ever kept something; `state_unavailable`.
pub async fn show_storage(app: AppState, Path(name): Path<String>) -> ApiResult<Json<StorageView>> {
    let unknown = || ApiError::new(codes::UNKNOWN_PLUGIN, "no plugin of this name is here or ever kept something");
    let plugin = PluginName::new(&name).map_err(|_| unknown())?;
    let usage = find_usage(&app, &plugin).await?;
    if usage.is_none() && !app.live.snapshot().plugins.contains_key(&plugin) {
        return Err(unknown());
    }
    let (keys, replies, bytes) = usage.map_or((0, 0, 0), |usage| (usage.keys, usage.replies, usage.bytes));
    let quota = app.quota_of(&plugin);
    Ok(Json(StorageView { keys, replies, bytes, quota: QuotaView { keys: quota.keys, bytes: quota.bytes } }))
}

async fn find_usage(app: &AppState, plugin: &PluginName) -> ApiResult<Option<Usage>> {
    let (store, plugin) = (std::sync::Arc::clone(&app.store), plugin.to_string());
    let found = tokio::task::spawn_blocking(move || store.usage(&plugin)).await.map_err(ApiError::internal)?;
    found.map_err(|error| {
        ApiError::new(codes::STATE_UNAVAILABLE, "what the plugin keeps cannot be read now").with_source(error)
    })
}
