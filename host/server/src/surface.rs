//! Where a request goes: to the host's own routes or to a plugin.
//!
//! The first segment of the path decides, before any router looks at it, so that plugin traffic pays for
//! nothing else.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::Request;
use hyper::body::Incoming;
use tower::Service;

use crate::{
    app::{App, AppState},
    config::RESERVED_SEGMENTS,
    dispatch::dispatch,
    router::router,
};

/// The service under the layers: one clone for each connection.
#[derive(Clone)]
pub struct Surface {
    app: Arc<App>,
    router: Router,
}

impl Surface {
    /// Joins the host's router with dispatch.
    pub fn new(app: Arc<App>) -> Self {
        Self { router: router(AppState(Arc::clone(&app))), app }
    }
}

impl Service<Request<Incoming>> for Surface {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if belongs_to_host(request.uri().path()) {
            return Box::pin(self.router.call(request));
        }
        let app = Arc::clone(&self.app);
        Box::pin(async move { Ok(dispatch(&app, request).await.unwrap_or_else(IntoResponse::into_response)) })
    }
}

/// Returns whether `path` is one that no plugin can have.
fn belongs_to_host(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    RESERVED_SEGMENTS.contains(&first) || NATIVE_SEGMENT.is_some_and(|native| native == first)
}

/// The route that benchmarks compare with, in a build for benchmarks.
const NATIVE_SEGMENT: Option<&str> = if cfg!(feature = "bench-native") { Some("bench-native") } else { None };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_decides() {
        for path in ["/api", "/api/", "/api/plugins", "/healthz", "/.well-known/x", "/openapi.json"] {
            assert!(belongs_to_host(path), "{path}");
        }
        for path in ["/", "", "*", "/apis", "/hello/api", "//api", "/%61pi"] {
            assert!(!belongs_to_host(path), "{path}");
        }
    }
}
