//! `GET /readyz`: whether requests should be sent here.

use std::time::Duration;

use backplane_store::Health;

use crate::{
    app::AppState,
    problem::{ApiError, ApiResult, codes},
};

/// How often the store tries whether it can write again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Answers `ready` once the folder was scanned and every valid plugin in it is live.
///
/// # Errors
/// `starting` before that; `shutting_down` once the process was told to stop; `store_failing` while nothing can be
/// written, which ends by itself.
pub async fn show_readiness(app: AppState) -> ApiResult<&'static str> {
    if app.shutdown.is_cancelled() {
        return Err(ApiError::new(codes::SHUTTING_DOWN, "the server finishes what it has and takes no more"));
    }
    if !app.live.is_ready() {
        return Err(ApiError::new(codes::STARTING, "the plugin folder is being loaded"));
    }
    if let Health::Failing { since, .. } = app.store.health() {
        let detail = format!("nothing could be written for {} s; reads are answered", since.elapsed().as_secs());
        return Err(ApiError::new(codes::STORE_FAILING, detail).with_retry_after(PROBE_INTERVAL));
    }
    Ok("ready\n")
}
