//! `GET /api/status`: what runs here.

use axum::Json;
use serde::Serialize;

use crate::{app::AppState, events::EventCounters};

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
    /// Events since the process started; absent once it is stopping.
    events: Option<EventsStatus>,
    /// Lines of the log that were lost because more came than could be written.
    log_lines_dropped: u64,
}

/// What was done about events since the process started.
#[derive(Debug, Serialize)]
struct EventsStatus {
    /// On their way from a commit to whoever delivers them. What does not fit there is read from the log.
    waiting: usize,
    /// Handled, once for each subscription.
    handled: u64,
    /// Given up.
    dead_letters: u64,
}

/// Describes the process to anybody.
pub async fn show_status(app: AppState) -> Json<Status> {
    Json(Status {
        service: app.config.service.clone(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.started.elapsed().as_secs(),
        plugins: app.live.snapshot().plugins.len(),
        events: app.events.counters().await.ok().map(EventsStatus::from),
        log_lines_dropped: app.log.dropped(),
    })
}

impl From<EventCounters> for EventsStatus {
    fn from(EventCounters { queue, dispatcher }: EventCounters) -> Self {
        Self { waiting: queue.waiting, handled: dispatcher.handled, dead_letters: dispatcher.dead_letters }
    }
}
