//! Where a request goes: to the host's gRPC services, to its own routes or to a plugin.
//!
//! The content type decides first, and then the first segment of the path, before any router looks at it, so that plugin
//! traffic pays for nothing else.

use std::{
    convert::Infallible,
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::{Request, Version, header::HOST};
use hyper::body::Incoming;
use tower::Service;

use crate::{
    app::{App, AppState},
    config::RESERVED_SEGMENTS,
    dispatch::dispatch,
    grpc::{Grpc, Protocol, protocol_of},
    problem::{ApiError, ApiResult, codes, name_methods},
    router::router,
};

/// The service under the layers: one clone for each connection.
#[derive(Clone)]
pub struct Surface {
    app: Arc<App>,
    router: Router,
    grpc: Arc<Grpc>,
}

impl Surface {
    /// Joins the host's router with its gRPC services and with dispatch.
    pub fn new(app: Arc<App>) -> Self {
        let (router, grpc) = (router(AppState(Arc::clone(&app))), Arc::new(Grpc::new(Arc::clone(&app))));
        Self { app, router, grpc }
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
        if let Err(error) = require_host(&request) {
            return Box::pin(ready(Ok(error.into_response())));
        }
        match protocol_of(&request) {
            Ok(Protocol::Http) => {}
            Ok(Protocol::Grpc) => {
                let answer = Arc::clone(&self.grpc).answer(request);
                return Box::pin(async move { Ok(answer.await) });
            }
            Err(error) => return Box::pin(ready(Ok(error.into_response()))),
        }
        if belongs_to_host(request.uri().path()) {
            let answer = self.router.call(request);
            return Box::pin(async move { answer.await.map(name_methods) });
        }
        let app = Arc::clone(&self.app);
        Box::pin(async move { Ok(dispatch(&app, request).await.unwrap_or_else(IntoResponse::into_response)) })
    }
}

/// Refuses an HTTP/1.1 request that does not say whom it is for, or says it twice (RFC 9112, section 3.2): two
/// servers on its way could each read another host.
fn require_host<B>(request: &Request<B>) -> ApiResult<()> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts == 1 || hosts == 0 && request.version() != Version::HTTP_11 {
        return Ok(());
    }
    Err(ApiError::new(codes::INVALID_REQUEST, format!("the request has {hosts} `Host` headers: send one")))
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
    fn an_http_1_1_request_names_one_host() {
        let check = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            require_host(&request.body(()).expect("a request")).is_ok()
        };
        assert!(check(Version::HTTP_11, &["a"]) && check(Version::HTTP_10, &[]) && check(Version::HTTP_2, &[]));
        assert!(!check(Version::HTTP_11, &[]) && !check(Version::HTTP_11, &["a", "a"]));
        assert!(!check(Version::HTTP_2, &["a", "b"]));
    }

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
