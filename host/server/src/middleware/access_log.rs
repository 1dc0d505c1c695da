//! One log line for a request, under the target `access`.
//!
//! That of a gRPC call is written when its answer has ended, because its status comes last.
//!
//! The query is left out: it may hold what a log should not.

mod call;

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::response::Response;
use backplane_auth::Principal;
use http::{Method, Request, StatusCode, Uri};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::request_id::RequestId;
use crate::{config::AccessLog, grpc::is_grpc, listen::Peer};

/// Who called, for the line about the request: an extension of the response.
#[derive(Clone)]
pub struct LoggedCaller(Arc<Principal>);

impl LoggedCaller {
    /// Notes who called if there will be a line.
    pub fn note(response: &mut Response, caller: Arc<Principal>, mode: AccessLog) {
        if is_logged(mode, response.status()) {
            response.extensions_mut().insert(Self(caller));
        }
    }

    /// Notes who called if there may be a line: nobody knows yet how the call ends.
    pub fn note_call(response: &mut Response, caller: Arc<Principal>, mode: AccessLog) {
        if mode != AccessLog::Off {
            response.extensions_mut().insert(Self(caller));
        }
    }
}

fn is_logged(mode: AccessLog, status: StatusCode) -> bool {
    match mode {
        AccessLog::Off => false,
        AccessLog::Failed => status.is_server_error(),
        AccessLog::All => true,
    }
}

/// Makes [`LogAccess`].
#[derive(Clone, Copy, Debug)]
pub struct AccessLogLayer {
    mode: AccessLog,
}

/// Logs requests when they are answered. Costs nothing when it is off.
#[derive(Clone, Debug)]
pub struct LogAccess<S> {
    inner: S,
    mode: AccessLog,
}

/// What is remembered of a request until it is answered.
struct Entry {
    started: Instant,
    method: Method,
    uri: Uri,
    id: Option<RequestId>,
    peer: Option<SocketAddr>,
}

impl AccessLogLayer {
    /// Makes the layer for a setting.
    pub fn new(mode: AccessLog) -> Self {
        Self { mode }
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = LogAccess<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LogAccess { inner, mode: self.mode }
    }
}

impl<S, B> Service<Request<B>> for LogAccess<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let entry = (self.mode != AccessLog::Off).then(|| Entry::new(&request));
        ResponseFuture { inner: self.inner.call(request), entry, mode: self.mode }
    }
}

pin_project! {
    /// Future of [`LogAccess`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        entry: Option<Entry>,
        mode: AccessLog,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(context));
        let Some(entry) = this.entry.take() else { return Poll::Ready(Ok(response)) };
        if is_grpc(response.status(), response.headers()) {
            return Poll::Ready(Ok(call::log_at_end(response, entry, *this.mode)));
        }
        if is_logged(*this.mode, response.status()) {
            let caller = response.extensions_mut().remove::<LoggedCaller>();
            entry.log(response.status(), None, caller.as_ref());
        }
        Poll::Ready(Ok(response))
    }
}

impl Entry {
    fn new<B>(request: &Request<B>) -> Self {
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            id: request.extensions().get().copied(),
            peer: request.extensions().get().map(|Peer { 0: address }| *address),
        }
    }

    fn log(&self, status: StatusCode, grpc_status: Option<i32>, caller: Option<&LoggedCaller>) {
        // Whole microseconds: more digits would be noise.
        let duration_ms = self.started.elapsed().as_micros() as f64 / 1e3;
        let request_id = self.id.as_ref().map(RequestId::as_str);
        let peer = self.peer.map(tracing::field::display);
        let subject = caller.map(|LoggedCaller(caller)| caller.subject());
        let (method, path, status) = (self.method.as_str(), self.uri.path(), status.as_u16());
        tracing::info!(target: "access", request_id, peer, subject, method, path, status, grpc_status, duration_ms, "request");
    }
}
