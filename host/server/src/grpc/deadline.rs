//! `grpc-timeout`: until when the caller waits, and an answer that ends then.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use crate::problem::{ApiError, ApiResult, codes};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Most digits of a time (gRPC over HTTP/2, `TimeoutValue`).
const DIGITS_MAX: usize = 8;

/// Returns how long the caller waits, if it says that.
///
/// # Errors
/// `invalid_request` when the header is no time.
pub(super) fn timeout_of(headers: &HeaderMap) -> ApiResult<Option<Duration>> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse);
    parsed.map(Some).ok_or_else(|| {
        ApiError::new(
            codes::INVALID_REQUEST,
            "`grpc-timeout` is at most eight digits and one of `H`, `M`, `S`, `m`, `u`, `n`",
        )
    })
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=DIGITS_MAX).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 60 * 60),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// What a caller is told whose time is over.
pub(super) fn passed() -> ApiError {
    ApiError::new(codes::DEADLINE_EXCEEDED, "the call took longer than the caller waits, or than the host lets it")
}

pin_project! {
    /// The body of an answer that ends at a time, with a status instead of what is missing.
    pub(super) struct Until {
        #[pin]
        inner: Body,
        #[pin]
        end: Sleep,
        ended: bool,
    }
}

impl Until {
    pub(super) fn new(inner: Body, end: Instant) -> Self {
        Self { inner, end: sleep_until(end), ended: false }
    }
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.inner.poll_frame(context) {
            *this.ended = frame.is_none();
            return Poll::Ready(frame);
        }
        std::task::ready!(this.end.poll(context));
        *this.ended = true;
        let mut trailers = HeaderMap::new();
        // Adding to an empty map fails for a message that is no header, and this one is one.
        let _added = Status::from(passed()).add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Duration>) {
        let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, text.parse().expect("a header"))]);
        let found = timeout_of(&headers).map_err(|error| assert_eq!(error.code(), "invalid_request"));
        assert_eq!(found.ok().flatten(), expected, "{text}");
    }

    #[test]
    fn reads_a_time_of_the_protocol_and_nothing_else() {
        check("100m", Some(Duration::from_millis(100)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3600)));
        check("0n", Some(Duration::ZERO));
        check("7u", Some(Duration::from_micros(7)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        for text in ["", "m", "1", "1s", "-1S", "+1S", " 1S", "1.5S", "123456789S", "1é"] {
            check(text, None);
        }
        assert!(matches!(timeout_of(&HeaderMap::new()), Ok(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_ends_with_a_status() {
        let silent = http_body_util::StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        let mut body = Body::new(Until::new(Body::new(silent), Instant::now() + Duration::from_secs(1)));
        let frame = body.frame().await.expect("a frame").expect("no error");
        let trailers = frame.into_trailers().expect("trailers");
        assert_eq!(trailers["grpc-status"], "4");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_as_it_was() {
        let body = Until::new(Body::from("whole"), Instant::now() + Duration::from_secs(1));
        assert_eq!(body.collect().await.expect("no error").to_bytes(), "whole");
    }
}
