//! What publishing one event and many have in common: from what a client sent to what is committed.

use std::collections::HashSet;

use axum::response::{IntoResponse as _, Response};
use backplane_auth::Principal;
use backplane_events::UnixMs;
use backplane_runtime::Response as KeptAnswer;
use backplane_store::Reply;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE, request::Parts};
use serde::Serialize;

use super::event_failure::{events_unavailable, invalid_event, publish_failed};
use crate::{
    adapters::ReplyRecord,
    app::AppState,
    cloud_events::Incoming,
    dispatch::{
        idempotency::{self, Fingerprint, IDEMPOTENCY_REPLAYED},
        trace_parent,
    },
    event_rights::require_topic,
    events::{Accepted, Publish, PublishError, ReplyToKeep},
    problem::{ApiError, ApiResult, codes},
};

/// Where the sources of a host begin. Nobody else can claim one.
const OWN_SOURCES: [&str; 2] = ["/plugins/", "/clients/"];

const JSON: &str = "application/json";

/// A request that publishes, read whole.
pub(super) struct Publishing<'a> {
    /// Who publishes.
    pub(super) caller: &'a Principal,
    /// Method and path, as the router has them.
    pub(super) route: &'static str,
    /// The request's head.
    pub(super) parts: &'a Parts,
    /// Its body.
    pub(super) body: Bytes,
}

/// An event that was published.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    id: String,
    /// Its place in the log. Not told where the answer is kept, because that is made before the event has a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i64>,
}

/// Publishes events, all or none, and answers with what `to_answer` makes of their ids and places.
///
/// # Errors
/// When the caller may not, an event cannot be, or the log does not take them. Nothing is published then.
pub(super) async fn publish<T: Serialize>(
    app: &AppState,
    publishing: Publishing<'_>,
    events: Vec<Incoming>,
    to_answer: impl FnOnce(Vec<Published>) -> T,
) -> ApiResult<Response> {
    let subject = publishing.caller.subject();
    let events = complete(app, publishing.caller, trace_parent(&publishing.parts.headers).as_deref(), events)?;
    let Some(record) = find_record(&publishing).await? else {
        let accepted = app.events.publish(subject, events, None).await.map_err(publish_failed)?;
        let published = accepted.into_iter().map(|Accepted { id, seq }| Published { id, sequence: Some(seq.0) });
        return accept(body_of(&to_answer(published.collect()))?);
    };
    if let Some(reply) = find_reply(app, &record).await? {
        return replay(&record, reply);
    }
    let published = events.iter().filter_map(|event| Some(Published { id: event.id.clone()?, sequence: None }));
    let body = body_of(&to_answer(published.collect()))?;
    match app.events.publish(subject, events, Some(reply_to_keep(&record, &body))).await {
        Ok(_) => accept(body),
        // A twin was faster, or nobody can say: what is kept is the answer of both.
        Err(error @ (PublishError::ReplyExists | PublishError::Unknown)) => match find_reply(app, &record).await? {
            Some(reply) => replay(&record, reply),
            None => Err(publish_failed(error)),
        },
        Err(error) => Err(publish_failed(error)),
    }
}

/// Publishes events, all or none, and returns their ids and places, whatever surface they came on.
///
/// # Errors
/// As [`publish`].
pub(crate) async fn publish_all(
    app: &AppState,
    caller: &Principal,
    trace_parent: Option<&str>,
    events: Vec<Incoming>,
) -> ApiResult<Vec<Accepted>> {
    let events = complete(app, caller, trace_parent, events)?;
    app.events.publish(caller.subject(), events, None).await.map_err(publish_failed)
}

/// Fills in what clients leave out, and checks what only the server can: who may, and what is theirs.
fn complete(
    app: &AppState,
    caller: &Principal,
    trace_parent: Option<&str>,
    events: Vec<Incoming>,
) -> ApiResult<Vec<Publish>> {
    let own_source = format!("/clients/{}", caller.subject());
    let mut completed = Vec::with_capacity(events.len());
    for event in events {
        let topic = event.topic.ok_or_else(|| ApiError::internal("an event without a topic got this far"))?;
        require_topic(&app.config.events.access.publish, caller, &topic)?;
        let source = event.source.unwrap_or_else(|| own_source.clone());
        require_own(&source, &own_source)?;
        completed.push(Publish {
            is_chosen: event.id.is_some(),
            id: Some(event.id.unwrap_or_else(|| app.events.new_id())),
            source,
            topic,
            key: event.key,
            time: event.time.map(|time| UnixMs(time.as_millisecond())),
            content_type: event.content_type,
            payload: event.payload,
            trace_parent: event.trace_parent.or_else(|| trace_parent.map(str::to_owned)),
        });
    }
    require_distinct(&completed)?;
    Ok(completed)
}

/// Refuses a source that says it is a plugin or another client.
fn require_own(source: &str, own: &str) -> ApiResult<()> {
    if source != own && OWN_SOURCES.iter().any(|begin| source.starts_with(begin)) {
        return Err(invalid_event(format!(
            "`source` may begin with `/plugins/` or `/clients/` for nobody: leave it out for `{own}`"
        )));
    }
    Ok(())
}

/// Refuses two events that are one by their names.
fn require_distinct(events: &[Publish]) -> ApiResult<()> {
    let mut seen = HashSet::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        if !seen.insert((event.source.as_str(), event.id.as_deref())) {
            let number = index + 1;
            return Err(invalid_event(format!("event {number} has source and id of one before it in the list")));
        }
    }
    Ok(())
}

/// Returns under what the answer is kept, if the client asks for that.
async fn find_record(publishing: &Publishing<'_>) -> ApiResult<Option<ReplyRecord>> {
    let Publishing { caller, route, parts, body } = publishing;
    let Some(key) = idempotency::find_key(&parts.headers)? else { return Ok(None) };
    // In binary mode the headers are a part of the event, in whatever order they come (RFC 9110, section 5.3).
    let attributes = parts.headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-"));
    let mut attributes: Vec<_> = attributes.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    attributes.sort_by_key(|(name, _)| *name);
    let mut whole = Vec::new();
    for (name, value) in attributes {
        whole.extend([name.as_bytes(), b":", value, b"\n"].concat());
    }
    whole.push(b'\n');
    whole.extend_from_slice(body);
    let fingerprint = Fingerprint::of(&parts.method, &parts.uri, &parts.headers, &whole.into()).await?;
    let (principal, fingerprint) = (caller.subject().to_owned(), *fingerprint.as_bytes());
    Ok(Some(ReplyRecord { principal, route: (*route).to_owned(), key, fingerprint }))
}

async fn find_reply(app: &AppState, record: &ReplyRecord) -> ApiResult<Option<Reply>> {
    app.events.find_reply(record).await.map_err(events_unavailable)
}

fn reply_to_keep(record: &ReplyRecord, body: &[u8]) -> ReplyToKeep {
    let headers = vec![(CONTENT_TYPE.as_str().to_owned(), JSON.to_owned())];
    let answer = KeptAnswer { status: StatusCode::ACCEPTED.as_u16(), headers, body: body.to_vec() };
    ReplyToKeep { record: record.clone(), answer }
}

/// Answers with what was answered before, if it is the same request.
fn replay(record: &ReplyRecord, reply: Reply) -> ApiResult<Response> {
    if reply.fingerprint != record.fingerprint {
        return Err(ApiError::new(
            codes::IDEMPOTENCY_KEY_REUSED,
            "this `idempotency-key` was sent before with another path, query, content type, attribute or body",
        ));
    }
    let mut response = accept(reply.body)?;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn body_of(answer: &impl Serialize) -> ApiResult<Vec<u8>> {
    serde_json::to_vec(answer).map_err(ApiError::internal)
}

fn accept(body: Vec<u8>) -> ApiResult<Response> {
    let headers: [(HeaderName, &str); 1] = [(CONTENT_TYPE, JSON)];
    Ok((StatusCode::ACCEPTED, headers, body).into_response())
}
