//! The methods of plugins for clients that speak JSON: `POST {mount}/{service}/{method}`.
//!
//! What is said is the JSON of Protocol Buffers, in both directions; what is asked of callers is what is asked of them
//! over gRPC. Messages are bounded before they are taken apart, because what stands for a message in memory is many times
//! as long; long ones are taken apart one or two at a time, beside the threads that requests run on.

mod transcoding;

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use backplane_auth::Principal;
use backplane_runtime::Problem;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header::CONTENT_TYPE};
use hyper::body::Incoming;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

pub use self::transcoding::Transcodings;
pub(super) use self::transcoding::{PrintError, Transcoding};
use super::{Handler, Target, Unary, UnaryEnded, failure, idempotency, wait_for_body};
use crate::{
    app::App,
    grpc::http_status_of,
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Longest text of a request, and longest message of an answer.
const BYTES_MAX: usize = 1 << 20;
/// Up to here a message is taken apart where its request is answered: it is done in about a millisecond.
const SHORT_BYTES_MAX: usize = 32 << 10;
/// Longer ones that are taken apart at the same time.
const LONG_MAX: usize = 2;
/// How long an answer waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Places of long messages.
static LONG: Semaphore = Semaphore::const_new(LONG_MAX);

/// Answers a caller that may call.
///
/// # Errors
/// When the request is no message of the method, or the plugin refuses or fails.
pub(super) async fn answer(
    app: &App,
    target: Arc<Target>,
    caller: Option<Arc<Principal>>,
    request: Request<Incoming>,
) -> ApiResult<Response> {
    let Handler::Method(method) = &target.handler else { return Err(ApiError::not_found()) };
    let Some(json) = &method.json else { return Err(ApiError::not_found()) };
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    if idempotency::find_key(&parts.headers)?.is_some() {
        let detail =
            "a method of gRPC keeps no answers: leave `idempotency-key` out, and use what its message has for that";
        return Err(ApiError::new(codes::INVALID_REQUEST, detail));
    }
    let http = &app.config.http;
    let coming = read_body(body, BYTES_MAX.min(http.body_bytes_max), http.body_timeout);
    let (text, caller) = wait_for_body(app, &target, &parts.headers, caller, coming).await?;
    let deadline = Instant::now() + target.timeout;
    let message = timeout_at(deadline, parse(json, text)).await.map_err(|_elapsed| busy())??;
    if message.len() > target.body_bytes_max {
        return Err(ApiError::payload_too_large(target.body_bytes_max));
    }
    let call = Unary { target: &target, parts: &parts, caller: caller.as_deref(), message, deadline };
    let message = call.run(app).await.map_err(|ended| match ended {
        UnaryEnded::Refused(status) => {
            let http_status = http_status_of(status.code);
            failure::from_problem(Problem { status: http_status, code: status.reason, message: status.message })
        }
        UnaryEnded::OutOfTime(error) | UnaryEnded::Failed(error) => error,
    })?;
    let text = print(&target, json, message).await?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    Ok(response)
}

/// Refuses what says that it is something else, so that a page of another origin cannot send it without being asked.
fn require_json(headers: &HeaderMap) -> ApiResult<()> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE, "send the message as `application/json`")),
    }
}

/// Makes the message of a request's text.
async fn parse(json: &Transcoding, text: Bytes) -> ApiResult<Vec<u8>> {
    let parsed = if text.len() <= SHORT_BYTES_MAX {
        json.parse(&text)
    } else {
        let json = json.clone();
        beside(move || json.parse(&text)).await?
    };
    parsed.map_err(|error| {
        ApiError::new(codes::INVALID_REQUEST, format!("the body is no message of this method: {error}"))
    })
}

/// Makes the text of an answer's message.
async fn print(target: &Target, json: &Transcoding, message: Vec<u8>) -> ApiResult<Vec<u8>> {
    let printed = if message.len() <= SHORT_BYTES_MAX {
        json.print(&message)
    } else if message.len() <= BYTES_MAX {
        let json = json.clone();
        let waited = timeout(TURN_TIMEOUT, beside(move || json.print(&message))).await;
        waited.map_err(|_elapsed| {
            ApiError::new(codes::OUTCOME_UNKNOWN, "the plugin has answered, and too many long answers wait to be sent")
        })??
    } else {
        Err(PrintError::TooLong)
    };
    printed.map_err(|fault| failure::invalid_message(target, fault))
}

/// Does what takes long beside the requests.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
    let place = LONG.acquire().await.map_err(ApiError::internal)?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(ApiError::internal)
}

fn busy() -> ApiError {
    ApiError::new(codes::PLUGIN_BUSY, "too many long messages are being read").with_retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        let check = |content_type: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            require_json(&headers).is_ok()
        };
        assert!(check("application/json") && check("Application/JSON; charset=utf-8"));
        assert!(!check("text/plain") && !check("") && !check("application/jsonx") && !check("application/grpc"));
        assert!(require_json(&HeaderMap::new()).is_err_and(|error| error.code() == "unsupported_media_type"));
    }
}
