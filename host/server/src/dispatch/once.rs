//! A request with an `Idempotency-Key`: its effects come about once, and every repeat gets the first one's answer.
//!
//! The answer is kept in the commit of the effects, so there is no moment at which one is there without the other. Of
//! two at once the second one's commit is refused, and whatever became of it, it is answered with what the first one's
//! was. What was not committed (a problem, a failure) is not kept, and a repeat runs again.

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use backplane_runtime::Response as GuestResponse;
use backplane_store::Reply;
use http::HeaderValue;
use tokio::time::Instant;

use super::{
    Call, Target, answer, failure,
    idempotency::{Fingerprint, IDEMPOTENCY_REPLAYED},
    response,
};
use crate::{
    adapters::{PluginState, Recorded, ReplyRecord},
    app::App,
    problem::{ApiError, ApiResult, codes},
};

/// Who calls where nobody is verified: they share their keys, so a key should be hard to guess. No subject is empty.
const ANYBODY: &str = "";

/// How long is looked for the answer of a twin when the call's own time is over.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers with the answer that is kept, or runs the call and keeps its answer.
///
/// # Errors
/// `idempotency_key_reused`, `state_unavailable`, and what a call can end in.
pub(super) async fn answer_once(app: &App, call: Call, state: Arc<PluginState>, key: String) -> ApiResult<Response> {
    let parts = &call.parts;
    let fingerprint = Fingerprint::of(&parts.method, &parts.uri, &parts.headers, &call.body).await?;
    let (target, deadline) = (Arc::clone(&call.target), call.deadline);
    let principal = call.caller.as_ref().map_or(ANYBODY, |caller| caller.subject()).to_owned();
    let route = target.name.clone();
    let record = ReplyRecord { principal, route, key, fingerprint: *fingerprint.as_bytes() };
    let find = async |until| match tokio::time::timeout_at(until, state.find_reply(&record)).await {
        Ok(found) => found.map_err(|error| failure::state_unavailable(&target, error)),
        Err(late) => Err(failure::state_unavailable(&target, late)),
    };
    if let Some(reply) = find(deadline).await? {
        return replay(&target, &record, reply);
    }
    let keyspace = Recorded { state: Arc::clone(&state), record: record.clone() };
    let (_, ended) = call.run(Some(Arc::new(keyspace))).await;
    if !matches!(ended, Ok(Ok(_)))
        // Nothing is kept of this call; a twin that was faster may be why, and its answer is the answer of both.
        && let Ok(Some(reply)) = find(deadline.max(Instant::now() + LOOK_TIMEOUT)).await
    {
        return replay(&target, &record, reply);
    }
    answer(app, &target, ended)
}

/// Answers with what was answered before, if it is the same request. A key of another route is another key.
fn replay(target: &Target, record: &ReplyRecord, reply: Reply) -> ApiResult<Response> {
    if reply.fingerprint != record.fingerprint {
        return Err(ApiError::new(
            codes::IDEMPOTENCY_KEY_REUSED,
            "this `idempotency-key` was sent to this route before, with another path, query, content type or body",
        ));
    }
    let Reply { status, headers, body, .. } = reply;
    let mut response = response::from_guest(GuestResponse { status, headers, body })
        .map_err(|fault| failure::invalid_response(target, fault))?;
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
