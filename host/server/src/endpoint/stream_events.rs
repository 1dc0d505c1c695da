//! `GET /api/events/stream`: follows topics live, as server-sent events (HTML, section 9.2).

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use backplane_events::Seq;
use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Deserialize;

use super::{body::Parameters, event_failure::events_unavailable, topics::read_topics};
use crate::{
    app::AppState,
    follow::{Asked, NoPlace, follow},
    identity::trail::Caller,
    problem::{ApiError, ApiResult, codes},
};

/// Where a client goes on that was cut off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells a proxy to pass on what comes at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// When a client without a place may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What to follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Topics and patterns, with commas between them. All by default.
    topic: Option<String>,
    /// As `Last-Event-ID`, for who cannot send the header.
    after: Option<String>,
}

/// Sends events as they are committed, each as one CloudEvent, from a place of the log or from now on.
///
/// # Errors
/// `invalid_topic`, `invalid_request` for a place that is none, `forbidden`, `insufficient_scope`, `too_many_streams`,
/// `streams_busy` or `events_unavailable`. What ends a stream later is said in it.
pub async fn stream_events(
    app: AppState,
    Caller(caller): Caller,
    Parameters(query): Parameters<StreamQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let topics = read_topics(&app, &caller, query.topic.as_deref())?;
    let named = find_place(&headers, query.after.as_deref())?;
    let head = app.events.head_for(named.unwrap_or(Seq::ZERO)).await.map_err(events_unavailable)?;
    let after = named.map_or(Ok(head), |place| require_place(place, head))?;
    let place = app.follow.enter(caller.subject()).map_err(no_place)?;
    let credential = headers.get_all(AUTHORIZATION).iter().map(|value| (AUTHORIZATION, value.clone())).collect();
    let body = follow(Arc::clone(&app.0), place, Asked { topics, after, credential });
    let lines = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    Ok((lines, Body::new(body)).into_response())
}

/// Returns the place after which a client goes on, if it names one.
fn find_place(headers: &HeaderMap, parameter: Option<&str>) -> ApiResult<Option<Seq>> {
    let invalid = |detail: String| ApiError::new(codes::INVALID_REQUEST, detail);
    let mut lines = headers.get_all(LAST_EVENT_ID).iter();
    let text = match (lines.next(), lines.next()) {
        (None, _) => parameter,
        (Some(line), None) => Some(line.to_str().unwrap_or("?")),
        (Some(_), Some(_)) => return Err(invalid("the request has two `Last-Event-ID` headers: send one".to_owned())),
    };
    let Some(text) = text else { return Ok(None) };
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let place = digits.and_then(|digits| digits.parse().ok()).map(Seq).ok_or_else(|| {
        invalid("`Last-Event-ID` must be the id of an event of this stream, or 0 for all that is kept".to_owned())
    })?;
    Ok(Some(place))
}

/// Refuses a place that the log has not come to.
fn require_place(place: Seq, head: Seq) -> ApiResult<Seq> {
    if place > head {
        let Seq(head) = head;
        let detail = format!("no event of this log has such an id yet: the last one is {head}");
        return Err(ApiError::new(codes::INVALID_REQUEST, detail));
    }
    Ok(place)
}

pub(crate) fn no_place(error: NoPlace) -> ApiError {
    match error {
        NoPlace::OfCaller { max } => {
            let detail = format!("a caller may have {max} streams at the same time: end one of them first");
            ApiError::new(codes::TOO_MANY_STREAMS, detail).with_retry_after(RETRY_AFTER)
        }
        NoPlace::Anywhere => ApiError::new(codes::STREAMS_BUSY, "as many follow as may").with_retry_after(RETRY_AFTER),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(lines: &[&[u8]], parameter: Option<&str>, expected: Result<Option<i64>, ()>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LAST_EVENT_ID, HeaderValue::from_bytes(line).expect("a header value"));
        }
        let named = find_place(&headers, parameter);
        let found = named.and_then(|named| named.map(|place| require_place(place, Seq(42))).transpose());
        let found = found.map(|place| place.map(|Seq(place)| place));
        assert_eq!(
            found.map_err(|error| assert_eq!(error.code(), "invalid_request")),
            expected,
            "{lines:?} {parameter:?}"
        );
    }

    #[test]
    fn a_place_is_one_of_the_log() {
        check(&[], None, Ok(None));
        check(&[b"0"], None, Ok(Some(0)));
        check(&[b"42"], Some("7"), Ok(Some(42)));
        check(&[], Some("7"), Ok(Some(7)));
        for line in [b"".as_slice(), b"43", b"-1", b"+1", b" 1x", b"1.0", b"9223372036854775808", b"\xff", b"latest"] {
            check(&[line], None, Err(()));
        }
        check(&[b"1", b"1"], None, Err(()));
        check(&[], Some(""), Err(()));
    }
}
