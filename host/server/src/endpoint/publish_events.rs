//! `POST /api/events`: many events, all or none.

use axum::{extract::Request, response::Response};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::Serialize;

use super::{
    event_failure::{invalid_event, read_failed},
    publish::{Published, Publishing, publish},
};
use crate::{
    app::AppState,
    cloud_events::{
        BATCHED, Incoming, MediaType, PAYLOAD_BYTES_MAX, STRUCTURED, is_binary, read_batch, read_binary,
        read_structured, read_topics,
    },
    identity::trail::Caller,
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Longest body in bytes.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// The answer.
#[derive(Debug, Serialize)]
struct PublishedEvents {
    /// In the order of the request.
    events: Vec<Published>,
}

/// What the body is.
enum Mode {
    Batch,
    Structured,
    Binary,
    Topics,
}

/// Publishes events in their order, in one transaction. They are in the log, on disk, when the answer comes.
///
/// # Errors
/// As `publish_event`.
pub async fn publish_events(app: AppState, Caller(caller): Caller, request: Request) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    let mode = mode(&parts.headers)?;
    let bytes_max = if matches!(mode, Mode::Binary) { PAYLOAD_BYTES_MAX } else { BATCH_BYTES_MAX };
    let body = read_body(body, bytes_max, app.config.http.body_timeout).await?;
    let events = match mode {
        Mode::Batch => read_batch(&body),
        Mode::Topics => read_topics(&body),
        Mode::Structured => read_structured(&body).map(|event| vec![event]),
        Mode::Binary => read_binary(&parts.headers, body.to_vec()).map(|event| vec![event]),
    };
    let events = events.map_err(read_failed)?;
    require_topics(&events)?;
    let publishing = Publishing { caller: &caller, route: "POST /api/events", parts: &parts, body };
    publish(&app, publishing, events, |events| PublishedEvents { events }).await
}

fn mode(headers: &HeaderMap) -> ApiResult<Mode> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| MediaType::parse(value.to_str().ok()?));
    match content_type {
        Some(media_type) if media_type.is(BATCHED) => Ok(Mode::Batch),
        Some(media_type) if media_type.is(STRUCTURED) => Ok(Mode::Structured),
        _ if is_binary(headers) => Ok(Mode::Binary),
        Some(media_type) if media_type.is("application/json") => Ok(Mode::Topics),
        _ => {
            let detail =
                format!("send `{BATCHED}`, `{STRUCTURED}`, a CloudEvent in binary mode, or `application/json`");
            Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// In binary mode the type may be missing; here nothing else says the topic.
fn require_topics(events: &[Incoming]) -> ApiResult<()> {
    match events.iter().all(|event| event.topic.is_some()) {
        true => Ok(()),
        false => Err(invalid_event("`type` is missing: it is the topic")),
    }
}
