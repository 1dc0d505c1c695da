//! `GET /readyz`: whether requests should be sent here.

use crate::{
    app::AppState,
    problem::{ApiError, ApiResult, codes},
};

/// Answers `ready` once the folder was scanned and every valid plugin in it is live.
///
/// # Errors
/// `starting` before that; `shutting_down` once the process was told to stop.
pub async fn show_readiness(app: AppState) -> ApiResult<&'static str> {
    if app.shutdown.is_cancelled() {
        return Err(ApiError::new(codes::SHUTTING_DOWN, "the server finishes what it has and takes no more"));
    }
    if !app.live.is_ready() {
        return Err(ApiError::new(codes::STARTING, "the plugin folder is being loaded"));
    }
    Ok("ready\n")
}
