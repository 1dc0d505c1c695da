//! `grpc.health.v1`: whether calls should be sent here.
//!
//! The server as a whole, and its own services, follow `/readyz`. A plugin has a health of its own under its name, and
//! under those of its services: it serves while it is live. Anybody may ask, as anybody may ask `/readyz`.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tonic::{Request, Response, Status};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server};

use super::{
    reflection::host_services,
    streams::{Gone, Messages, Sender, Streams},
};
use crate::{
    app::{App, AppState},
    endpoint,
    live::PluginState,
    problem::{ApiError, codes},
};

/// Between two looks at what nobody tells of: the disk.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The service.
pub(super) struct Health {
    app: Arc<App>,
    streams: Streams,
}

impl Health {
    pub(super) fn new(app: Arc<App>, streams: Streams) -> Self {
        Self { app, streams }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Messages<HealthCheckResponse>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        let status = status_of(&self.app, &service)
            .await
            .ok_or_else(|| ApiError::new(codes::UNKNOWN_PLUGIN, "no service and no plugin of this name is known"))?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, messages) = self.streams.open()?;
        tokio::spawn(follow(Arc::clone(&self.app), request.into_inner().service, sender));
        Ok(Response::new(messages))
    }
}

/// Sends the health of a service at once, and each time that it changes, until the caller goes or the server has
/// stopped.
async fn follow(app: Arc<App>, service: String, sender: Sender<HealthCheckResponse>) {
    let mut changes = app.live.changes();
    let mut ticks = interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        changes.mark_unchanged();
        let status = status_of(&app, &service).await.unwrap_or(ServingStatus::ServiceUnknown);
        if last != Some(status) {
            if let Err(Gone) = sender.send(HealthCheckResponse { status: status.into() }).await {
                return;
            }
            last = Some(status);
        }
        // Whoever watches has heard by now that nothing is served any more.
        if app.shutdown.is_cancelled() {
            return sender.fail(super::streams::shutting_down()).await;
        }
        tokio::select! {
            () = app.shutdown.cancelled() => {}
            () = sender.closed() => return,
            _ = ticks.tick() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Returns the health of a service; `None` for one that nobody knows.
async fn status_of(app: &Arc<App>, service: &str) -> Option<ServingStatus> {
    let serves = match service {
        "" => true,
        _ if host_services().iter().any(|own| own == service) => true,
        _ if app.live.routes().services().of_service(service).is_some() => true,
        _ => match app.live.snapshot().view(service)?.state {
            PluginState::Live => true,
            PluginState::Failed | PluginState::Loading | PluginState::Draining => false,
        },
    };
    let is_ready = endpoint::show_readiness(AppState(Arc::clone(app))).await.is_ok();
    Some(if serves && is_ready { ServingStatus::Serving } else { ServingStatus::NotServing })
}
