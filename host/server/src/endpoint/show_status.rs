//! `GET /api/status`: what runs here.

use axum::Json;
use serde::Serialize;

use crate::app::AppState;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Status {
    /// As the operator named it.
    service: String,
    /// Of the host.
    version: &'static str,
    /// Seconds since the process started.
    uptime: u64,
    /// Plugins that take calls.
    plugins: usize,
}

/// Describes the process to anybody.
pub async fn show_status(app: AppState) -> Json<Status> {
    Json(Status {
        service: app.config.service.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.started.elapsed().as_secs(),
        plugins: app.live.snapshot().plugins.len(),
    })
}
