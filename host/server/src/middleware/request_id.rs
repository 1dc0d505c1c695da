//! The id of a request: in every log line and problem document, for the guest, and back to the client.
//!
//! A client's own `x-request-id` is kept when it is 1 to 64 letters, digits, `.`, `_` or `-`, so that a trail leads
//! through several systems; anything else is replaced by a UUIDv7. An id is a name for people to search for: it may
//! be used twice, and nothing is decided by it.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::response::Response;
use http::{HeaderName, HeaderValue, Request};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use uuid::{NoContext, Timestamp, Uuid, fmt::Hyphenated};

use crate::problem;

/// Header that carries the id both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest accepted id in bytes.
const BYTES_MAX: usize = 64;

/// The id of a request, an extension of the request. It is copied, not allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl RequestId {
    /// Makes a new id, a UUIDv7: ids sort by time.
    pub fn generate() -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        // Without a shared counter there is no lock; ids of the same millisecond are in no order.
        let uuid = Uuid::new_v7(Timestamp::now(NoContext));
        Self::copy(uuid.hyphenated().encode_lower(&mut text).as_bytes())
    }

    /// Takes a client's id if it is harmless.
    pub fn from_client(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=BYTES_MAX).contains(&bytes.len()).then_some(())?;
        bytes.iter().all(plain).then(|| Self::copy(bytes))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        str::from_utf8(bytes).expect("an id is made of ASCII only")
    }

    fn copy(from: &[u8]) -> Self {
        let mut bytes = [0; BYTES_MAX];
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
        Self { bytes, length: from.len() }
    }

    fn to_header(self) -> HeaderValue {
        HeaderValue::from_str(self.as_str()).expect("letters, digits and `._-` are allowed in a header")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes [`IdentifyRequest`].
#[derive(Clone, Copy, Debug)]
pub struct IdentifyRequestLayer;

/// Gives each request its [`RequestId`] and each response the header; writes the body of a failed one.
#[derive(Clone, Debug)]
pub struct IdentifyRequest<S> {
    inner: S,
}

impl<S> Layer<S> for IdentifyRequestLayer {
    type Service = IdentifyRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdentifyRequest { inner }
    }
}

impl<S, B> Service<Request<B>> for IdentifyRequest<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = request.headers().get(X_REQUEST_ID).and_then(RequestId::from_client);
        let id = id.unwrap_or_else(RequestId::generate);
        request.extensions_mut().insert(id);
        ResponseFuture { inner: self.inner.call(request), id }
    }
}

pin_project! {
    /// Future of [`IdentifyRequest`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        id: RequestId,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(context));
        problem::finish(&mut response, this.id.as_str());
        response.headers_mut().insert(X_REQUEST_ID, this.id.to_header());
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_harmless_ids_only() {
        let longest = "a".repeat(64);
        for text in ["1", "a-B_c.9", &longest] {
            let id = HeaderValue::from_str(text).ok().as_ref().and_then(RequestId::from_client);
            assert_eq!(id.expect("accepted").as_str(), text);
        }
        let too_long = "a".repeat(65);
        for text in ["", "a b", "a/b", "a\"b", "${jndi}", "<b>", &too_long] {
            let header = HeaderValue::from_str(text).expect("a header may say so");
            assert_eq!(RequestId::from_client(&header), None, "{text}");
        }
        assert_eq!(RequestId::from_client(&HeaderValue::from_bytes(b"\xff").expect("opaque")), None);
    }

    #[test]
    fn new_ids_are_version_7_and_distinct() {
        let [one, two] = [RequestId::generate(), RequestId::generate()];
        assert_ne!(one, two);
        let uuid: Uuid = one.as_str().parse().expect("a UUID");
        assert_eq!(uuid.get_version_num(), 7);
    }
}
