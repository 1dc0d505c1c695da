//! A unary call on the wire: one message in, one message out (gRPC over HTTP/2, `Length-Prefixed-Message`).
//!
//! The host's own services leave this to tonic. Calls of plugins are framed here, because the message is passed on as it
//! is: nothing is decoded, and a call pays for nothing that one message does not need.

mod gzip;

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use http_body::{Frame, SizeHint};

use crate::{
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Says whether a message is compressed, and how long it is.
const HEAD_BYTES: usize = 5;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const OK: HeaderValue = HeaderValue::from_static("0");

/// Reads the message of a call: at most `bytes_max` bytes, compressed or not, in at most `time_max`.
///
/// # Errors
/// `payload_too_large`, `request_timeout`, `unsupported_encoding`, or `invalid_request` when there is not one message.
pub(super) async fn read_message<B>(
    headers: &HeaderMap,
    body: B,
    bytes_max: usize,
    time_max: Duration,
) -> ApiResult<Vec<u8>>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let is_gzip = is_gzip(headers)?;
    let body = read_body(body, bytes_max.saturating_add(HEAD_BYTES), time_max).await;
    let mut body = body.map_err(|error| if is_too_large(&error) { too_large(bytes_max) } else { error })?;
    if body.len() < HEAD_BYTES {
        return Err(invalid("the call has no message"));
    }
    let (flag, length) = (body.get_u8(), usize::try_from(body.get_u32()).unwrap_or(usize::MAX));
    if length > bytes_max {
        return Err(too_large(bytes_max));
    }
    if length != body.len() {
        return Err(invalid("the message has not the length that it says, or another one follows it"));
    }
    match (flag, is_gzip) {
        (0, _) => Ok(body.into()),
        (1, true) => gzip::decompress(body, bytes_max).await,
        (1, false) => Err(invalid("the message is compressed, and `grpc-encoding` does not say how")),
        _ => Err(invalid("the message has a flag that there is not")),
    }
}

/// Returns whether compressed messages are in gzip; else there are none.
fn is_gzip(headers: &HeaderMap) -> ApiResult<bool> {
    match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => Err(ApiError::new(codes::UNSUPPORTED_ENCODING, "messages are compressed with `gzip` or not at all")),
    }
}

fn is_too_large(error: &ApiError) -> bool {
    error.code() == codes::PAYLOAD_TOO_LARGE.name
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(codes::PAYLOAD_TOO_LARGE, format!("the message may have at most {bytes_max} bytes"))
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::new(codes::INVALID_REQUEST, detail)
}

/// Answers with a message, compressed where the caller takes that and it is worth it.
pub(super) async fn answer(headers: &HeaderMap, message: Vec<u8>) -> Response {
    let accepts = || headers.get(GRPC_ACCEPT_ENCODING).is_some_and(names_gzip);
    let compressed = if gzip::is_worth(message.len()) && accepts() { gzip::compress(&message).await } else { None };
    let (is_compressed, message) = match compressed {
        Some(compressed) => (true, compressed),
        None => (false, message),
    };
    let mut framed = BytesMut::with_capacity(HEAD_BYTES + message.len());
    framed.put_u8(is_compressed.into());
    // What a guest answers with is bounded far below 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    let mut response = Response::new(Body::new(Answer::Message(framed.freeze())));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_GRPC);
    if is_compressed {
        response.headers_mut().insert(GRPC_ENCODING, GZIP);
    }
    response
}

fn names_gzip(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == b"gzip")
}

/// Says with a refusal which encodings there are.
pub(super) fn name_encodings(response: &mut Response) {
    response.headers_mut().insert(GRPC_ACCEPT_ENCODING, GZIP);
}

/// The body of an answer: a message, and that all went well.
enum Answer {
    Message(Bytes),
    Trailers,
    Ended,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let (frame, next) = match mem::replace(&mut *self, Self::Ended) {
            Self::Message(message) => (Frame::data(message), Self::Trailers),
            Self::Trailers => {
                let trailers = HeaderMap::from_iter([(GRPC_STATUS, OK)]);
                (Frame::trailers(trailers), Self::Ended)
            }
            Self::Ended => return Poll::Ready(None),
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// How much of it is in memory. Not how long it is: an answer over gRPC has no `content-length`.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        if let Self::Message(message) = self {
            hint.set_lower(message.len() as u64);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const MAX: usize = 100 << 10;

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
        [&[flag], length.as_slice(), message].concat()
    }

    async fn read(body: Vec<u8>, encoding: Option<&'static str>) -> Result<Vec<u8>, String> {
        let headers: HeaderMap =
            encoding.map(|encoding| (GRPC_ENCODING, HeaderValue::from_static(encoding))).into_iter().collect();
        let read = read_message(&headers, Full::new(Bytes::from(body)), MAX, Duration::from_secs(1)).await;
        read.map_err(|error| error.code().to_owned())
    }

    async fn zipped(message: &[u8]) -> Vec<u8> {
        framed(1, &gzip::compress(message).await.expect("it becomes shorter"))
    }

    #[tokio::test]
    async fn reads_one_message() {
        assert_eq!(read(framed(0, b""), None).await.as_deref(), Ok(b"".as_slice()));
        assert_eq!(read(framed(0, b"abc"), Some("identity")).await.as_deref(), Ok(b"abc".as_slice()));
        assert_eq!(read(framed(0, b"abc"), Some("gzip")).await.as_deref(), Ok(b"abc".as_slice()));
        let long = b"abc".repeat(MAX / 3);
        assert_eq!(read(zipped(&long).await, Some("gzip")).await, Ok(long.clone()));
        assert_eq!(read(framed(0, &long), None).await, Ok(long));
    }

    #[tokio::test]
    async fn refuses_what_is_not_one_message() {
        let refused = async |body: Vec<u8>, encoding| read(body, encoding).await.expect_err("refused");
        for body in [b"".to_vec(), b"\0\0".to_vec(), framed(2, b"a"), framed(0, b"ab")[..6].to_vec()] {
            assert_eq!(refused(body, None).await, "invalid_request");
        }
        assert_eq!(refused([framed(0, b"a"), framed(0, b"b")].concat(), None).await, "invalid_request");
        assert_eq!(refused(framed(1, b"ab"), None).await, "invalid_request");
        assert_eq!(refused(framed(1, b"ab"), Some("gzip")).await, "invalid_request");
        let mut broken = zipped(&b"abc".repeat(1000)).await;
        broken.truncate(broken.len() - 9);
        let length = broken.len() - HEAD_BYTES;
        broken[1..HEAD_BYTES].copy_from_slice(&u32::try_from(length).expect("short").to_be_bytes());
        assert_eq!(refused(broken, Some("gzip")).await, "invalid_request");
        assert_eq!(refused(framed(0, b"a"), Some("snappy")).await, "unsupported_encoding");
        assert_eq!(refused(b"\0\xff\xff\xff\xff".to_vec(), None).await, "payload_too_large");
        assert_eq!(refused(framed(0, &vec![0; MAX + 1]), None).await, "payload_too_large");
    }

    #[tokio::test]
    async fn a_short_text_of_a_long_message_is_stopped_in_time() {
        let bomb = zipped(&vec![0; 10 << 20]).await;
        assert!(bomb.len() < MAX, "{}", bomb.len());
        assert_eq!(read(bomb, Some("gzip")).await.expect_err("refused"), "payload_too_large");
        let fits = zipped(&vec![0; MAX]).await;
        assert_eq!(read(fits, Some("gzip")).await.map(|message| message.len()), Ok(MAX));
    }

    #[tokio::test]
    async fn answers_with_a_message_and_a_status() {
        let accepts = HeaderMap::from_iter([(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity, gzip"))]);
        let long = b"abc".repeat(10_000);
        for (headers, message, is_compressed) in [
            (HeaderMap::new(), b"abc".to_vec(), false),
            (accepts.clone(), b"abc".to_vec(), false),
            (accepts.clone(), long.clone(), true),
            (HeaderMap::new(), long, false),
        ] {
            let response = answer(&headers, message.clone()).await;
            assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
            assert_eq!(response.headers().contains_key(GRPC_ENCODING), is_compressed);
            let collected = response.into_body().collect().await.expect("it is in memory");
            let trailers = collected.trailers().cloned().expect("trailers");
            assert_eq!(trailers["grpc-status"], "0");
            let encoding = is_compressed.then_some("gzip");
            assert_eq!(read(collected.to_bytes().into(), encoding).await, Ok(message));
        }
    }
}
