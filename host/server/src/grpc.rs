//! gRPC on the port of HTTP: the services of plugins, and the host's own.
//!
//! [`surface`](crate::surface) hands over what says `application/grpc`, before anything is routed. From here on a call
//! goes the way of a request: the method is looked up, then it is asked who calls, whether they may, and whether they
//! come too often; then its service answers, until the caller's deadline or the method's own. tonic knows the framing
//! and the messages; connections are the host's own, so that all that bounds them bounds gRPC too.
//!
//! The host's services call what the endpoints of HTTP call. What a plugin answers is looked up in the snapshot of routes,
//! and goes its own way: [`guest`]. An [`ApiError`] becomes a status in one place: [`status`].

mod deadline;
mod entry;
mod events;
mod frame;
mod guard;
mod guest;
mod health;
mod methods;
mod pb;
mod plugins;
mod reflection;
mod status;
mod streams;

use std::sync::Arc;

use axum::{Router, response::Response};
use http::Request;
use hyper::body::Incoming;
use tonic::{codec::CompressionEncoding::Gzip, service::Routes};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::pb::{
    v1::server_reflection_server::ServerReflectionServer as ReflectionV1,
    v1alpha::server_reflection_server::ServerReflectionServer as ReflectionV1Alpha,
};

pub(crate) use self::{
    entry::{Protocol, is_grpc, protocol_of},
    status::http_status_of,
};
use self::{
    events::Events,
    health::Health,
    pb::{events_server::EventsServer, plugins_server::PluginsServer},
    plugins::Plugins,
    reflection::Reflection,
    streams::Streams,
};
use crate::app::App;

/// Longest message that a caller may send, unless its method says otherwise, after decompression.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Longest message to or from what anybody may call.
const SMALL_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Everything that is called over gRPC.
pub(crate) struct Grpc {
    app: Arc<App>,
    /// The host's own.
    services: Router,
}

impl Grpc {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let streams = Streams::default();
        let plugins = PluginsServer::new(Plugins::new(Arc::clone(&app), streams.clone()))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(usize::MAX);
        let events = EventsServer::new(Events::new(Arc::clone(&app)))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(usize::MAX);
        let health = HealthServer::new(Health::new(Arc::clone(&app), streams.clone()))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
        let reflection = Reflection::new(Arc::clone(&app), streams);
        let reflection_v1 = ReflectionV1::new(reflection.clone())
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
        let reflection_v1alpha = ReflectionV1Alpha::new(reflection)
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(SMALL_MESSAGE_BYTES_MAX);
        let services = Routes::new(plugins)
            .add_service(events)
            .add_service(health)
            .add_service(reflection_v1)
            .add_service(reflection_v1alpha)
            .prepare()
            .into_axum_router();
        Self { app, services }
    }

    /// Answers one call. A failure is an answer without messages, and a status.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response {
        let found = self.app.live.routes().services().find(request.uri().path()).map(Arc::clone);
        match found {
            Some(target) => guest::answer(&self.app, target, request).await,
            // Boxed: a call of a plugin does not carry around what the host's own need.
            None => Box::pin(guard::answer(&self.app, &self.services, request)).await,
        }
    }
}
