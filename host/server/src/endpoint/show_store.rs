//! `GET /api/store`: how the store is doing.

use axum::Json;
use backplane_store::{Health, Written};
use serde::Serialize;

use crate::app::AppState;

/// What the store did since the server started, and whether it can be written.
#[derive(Debug, Serialize)]
pub struct StoreView {
    /// Commits that are on disk.
    commits: u64,
    /// Waits for the disk that brought them there.
    batches: u64,
    /// Commits that wait or are being written now.
    waiting: usize,
    /// The length of the log beside the database, in bytes.
    log_bytes: u64,
    /// Whether the last batch could be written.
    writable: bool,
}

/// Says what the store did and how it is.
pub async fn show_store(app: AppState) -> Json<StoreView> {
    let Written { commits, batches } = app.store.written();
    let writable = matches!(app.store.health(), Health::Writable);
    let (waiting, log_bytes) = (app.store.commits_waiting(), app.store.log_bytes());
    Json(StoreView { commits, batches, waiting, log_bytes, writable })
}
