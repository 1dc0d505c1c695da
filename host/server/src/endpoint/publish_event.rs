//! `POST /api/events/{topic}`: an event.

use axum::{
    body::Body,
    extract::{Path, Request},
    response::Response,
};
use backplane_events::Topic;
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::Deserialize;

use super::{
    body::Parameters,
    event_failure::{invalid_event, read_failed},
    publish::{Publishing, publish},
};
use crate::{
    app::AppState,
    cloud_events::{
        BATCHED, Incoming, MediaType, PAYLOAD_BYTES_MAX, STRUCTURED, is_binary, read_binary, read_plain,
        read_structured,
    },
    event_rights::require_topic,
    identity::trail::Caller,
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Longest body of an event that is JSON itself: its payload may be escaped or in Base64.
const STRUCTURED_BYTES_MAX: usize = 2 << 20;

/// What stands in the query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    /// The key of an event that is nothing but its data.
    key: Option<String>,
}

/// Publishes an event. It is in the log, on disk, when the answer comes.
///
/// # Errors
/// `invalid_topic`, `invalid_event`, `payload_too_large`, `forbidden`, `insufficient_scope`, `unsupported_media_type`,
/// `idempotency_key_reused`, `event_log_full`, `store_busy`, `events_unavailable` or `outcome_unknown`.
pub async fn publish_event(
    app: AppState,
    Caller(caller): Caller,
    Path(topic): Path<String>,
    Parameters(query): Parameters<PublishQuery>,
    request: Request,
) -> ApiResult<Response> {
    let topic = Topic::new(&topic).map_err(|error| ApiError::new(codes::INVALID_TOPIC, error.to_string()))?;
    require_topic(&app.config.events.access.publish, &caller, &topic)?;
    let (parts, body) = request.into_parts();
    let (event, body) = read(&app, &parts.headers, &query, body).await?;
    let event = to_topic(event, topic)?;
    let publishing = Publishing { caller: &caller, route: "POST /api/events/{topic}", parts: &parts, body };
    publish(&app, publishing, vec![event], |published| published.into_iter().next()).await
}

/// Publishes an event to the topic `stream`, whose path is a route of its own: that of those who follow.
///
/// # Errors
/// As `publish_event`.
pub async fn publish_event_to_stream(
    app: AppState,
    caller: Caller,
    query: Parameters<PublishQuery>,
    request: Request,
) -> ApiResult<Response> {
    publish_event(app, caller, Path("stream".to_owned()), query, request).await
}

/// Reads an event in the mode that its headers say.
async fn read(app: &AppState, headers: &HeaderMap, query: &PublishQuery, body: Body) -> ApiResult<(Incoming, Bytes)> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| MediaType::parse(value.to_str().ok()?));
    let is = |essence| content_type.is_some_and(|media_type: MediaType<'_>| media_type.is(essence));
    if is(BATCHED) {
        let detail = "a list of events goes to `POST /api/events`";
        return Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let is_plain = !is(STRUCTURED) && !is_binary(headers);
    if !is_plain && query.key.is_some() {
        return Err(invalid_event(
            "the key of a CloudEvent is its attribute `partitionkey`: leave `key` out of the query",
        ));
    }
    let bytes_max = if is(STRUCTURED) { STRUCTURED_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
    let body = read_body(body, bytes_max, app.config.http.body_timeout).await?;
    let event = match is_plain {
        true => read_plain(headers, query.key.as_deref(), body.to_vec()),
        false if is(STRUCTURED) => read_structured(&body),
        false => read_binary(headers, body.to_vec()),
    };
    Ok((event.map_err(read_failed)?, body))
}

/// Gives an event its topic, unless it says that it has another one.
fn to_topic(event: Incoming, topic: Topic) -> ApiResult<Incoming> {
    match &event.topic {
        Some(own) if *own != topic => {
            Err(invalid_event(format!("`type` is `{own}`, and the path says `{topic}`: they must be the same")))
        }
        _ => Ok(Incoming { topic: Some(topic), ..event }),
    }
}
