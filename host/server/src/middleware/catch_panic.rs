//! Turns a panic of the host into a 500, so that it ends one request and not the connection's other ones.
//!
//! The panic itself is logged by the panic hook; here only its message is added under the request's id.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use axum::response::{IntoResponse, Response};
use http::Request;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::problem::ApiError;

/// Makes [`CatchPanic`].
#[derive(Clone, Copy, Debug)]
pub struct CatchPanicLayer;

/// Answers 500 for a request whose handling panicked.
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

impl<S, B> Service<Request<B>> for CatchPanic<S>
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
        // The service is dropped after a panic: it is a clone made for this request, so nobody sees it half changed.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => ResponseFuture { running: Some(future), panicked: None },
            Err(panic) => ResponseFuture { running: None, panicked: Some(answer(panic.as_ref())) },
        }
    }
}

pin_project! {
    /// Future of [`CatchPanic`].
    pub struct ResponseFuture<F> {
        #[pin]
        running: Option<F>,
        panicked: Option<Response>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.running.as_pin_mut() {
            Some(running) => catch_unwind(AssertUnwindSafe(|| running.poll(context)))
                .unwrap_or_else(|panic| Poll::Ready(Ok(answer(panic.as_ref())))),
            None => Poll::Ready(Ok(this.panicked.take().expect("a future is not polled after it was ready"))),
        }
    }
}

fn answer(panic: &(dyn Any + Send)) -> Response {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "without a message",
    };
    ApiError::internal(format!("panicked: {message}")).into_response()
}
