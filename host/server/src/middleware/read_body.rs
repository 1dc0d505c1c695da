//! Reads a request's body whole, within a size and a time.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::problem::{ApiError, ApiResult, codes};

/// Reads a body of at most `bytes_max` bytes in at most `time_max`.
///
/// A body that announces too many bytes is refused before it is read, and a request without a body costs nothing. A
/// body that arrives in one piece is not copied.
///
/// # Errors
/// `payload_too_large`, `request_timeout`, or `invalid_request` when the client broke off.
pub async fn read_body<B>(body: B, bytes_max: usize, time_max: Duration) -> ApiResult<Bytes>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > bytes_max) {
        return Err(ApiError::payload_too_large(bytes_max));
    }
    match timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::payload_too_large(bytes_max)),
        Ok(Err(error)) => {
            Err(ApiError::new(codes::INVALID_REQUEST, "the body could not be read to its end").with_source(error))
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", time_max.as_secs_f64());
            Err(ApiError::new(codes::REQUEST_TIMEOUT, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use http_body::Frame;
    use http_body_util::{Empty, Full};

    use super::*;

    const TIME_MAX: Duration = Duration::from_secs(5);

    fn code<T>(result: ApiResult<T>) -> String {
        result.err().map(|error| error.code().to_owned()).unwrap_or_default()
    }

    #[tokio::test]
    async fn reads_a_body_up_to_the_limit() {
        assert_eq!(read_body(Empty::new(), 0, TIME_MAX).await.expect("read"), "");
        assert_eq!(read_body(Full::from("four"), 4, TIME_MAX).await.expect("read"), "four");
        assert_eq!(code(read_body(Full::from("fives"), 4, TIME_MAX).await), "payload_too_large");
    }

    #[tokio::test]
    async fn stops_at_the_limit_when_the_length_was_not_announced() {
        assert_eq!(code(read_body(Endless, 1000, TIME_MAX).await), "payload_too_large");
    }

    #[tokio::test]
    async fn does_not_wait_for_a_body_that_never_ends() {
        assert_eq!(code(read_body(Silent, 10, Duration::from_millis(10)).await), "request_timeout");
    }

    type Polled = Poll<Option<Result<Frame<Bytes>, Infallible>>>;

    /// A body that sends and sends.
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more and more and more")))))
        }
    }

    /// A body that was begun and left.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            Poll::Pending
        }
    }
}
