//! What stands before every call: who calls, whether they may, how often they come, and for how long they wait.
//!
//! It is the guard of the HTTP API, in gRPC's words: a credential that is not believed is refused everywhere, and a
//! change that a known caller is refused gets its entry in the audit trail.
//!
//! A message may come much later than the head that a caller was let in by, or not at all. Who calls is asked again
//! when it is there, by [`SecondLook`], and it is not waited for without end.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, response::Response};
use backplane_auth::Principal;
use http::Request;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;
use tower::ServiceExt as _;

use super::{
    deadline::{self, Until},
    methods::{self, Method, Who},
    status::{completed, source_of},
};
use crate::{
    app::App,
    identity::{
        challenge,
        trail::{Attempt, Caller, Origin},
    },
    listen::address_of,
    middleware::{
        access_log::LoggedCaller,
        guard::{SecondLook, note_refusal},
        request_id::RequestId,
    },
    problem::{ApiError, ApiResult, codes},
};

/// Answers a call with one of the services. Whatever fails is a status, and is logged here.
pub(super) async fn answer(app: &Arc<App>, services: &Router, request: Request<Incoming>) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut noted = Noted::default();
    let answered = admit(app, services, request, &mut noted).await;
    let mut response = answered.unwrap_or_else(|error| Status::from(error).into_http());
    if let Some(status) = response.extensions_mut().remove::<Status>() {
        response = refuse(app, response, status, id, noted.attempt.as_ref()).await;
    }
    if let Some(caller) = noted.caller {
        LoggedCaller::note_call(&mut response, caller, app.config.log.access);
    }
    response
}

/// Until when a change is waited for. It goes on by itself, so its service has to know.
#[derive(Clone, Copy)]
pub(super) struct End(pub(super) Instant);

/// What is known of a call when it is answered.
#[derive(Default)]
struct Noted {
    caller: Option<Arc<Principal>>,
    attempt: Option<Attempt>,
}

async fn admit(
    app: &Arc<App>,
    services: &Router,
    request: Request<Incoming>,
    noted: &mut Noted,
) -> ApiResult<Response> {
    let method = methods::find(request.uri().path())?;
    noted.caller = app.identity.authenticate(request.headers(), app.clock.unix_ms()).await?;
    let caller = noted.caller.as_ref();
    noted.attempt = caller
        .zip(method.action)
        .map(|(caller, action)| Attempt::named(action, Arc::clone(caller), Origin::of(request.extensions())));
    let access = method.who.access();
    // Who watches the server is never held off.
    let limit = app.rate_limits.server.as_ref().filter(|_| method.who != Who::Anybody);
    let address = address_of(request.extensions());
    let admit = || limit.map_or(Ok(()), |limit| limit.admit(caller.map(Arc::as_ref), address));
    let allowed = challenge::require(&access, caller.map(Arc::as_ref));
    // A stranger is refused before it counts, and leaves no entry.
    let is_in_time = if allowed.is_ok() || noted.attempt.is_some() { admit() } else { Ok(()) };
    if is_in_time.is_err() {
        // What comes too often must not fill the trail, whatever it is refused for.
        noted.attempt = None;
    }
    allowed.and(is_in_time)?;
    let mut request = request.map(Body::new);
    let known = caller.filter(|_| method.who != Who::Anybody);
    let second_look = known.map(|known| SecondLook::new(app, request.headers(), access, known));
    let refused = second_look.map(|look| {
        request.extensions_mut().insert(look.clone());
        look.take_at_the_end_of(request.body_mut())
    });
    request.extensions_mut().extend(extensions(noted));
    let response = call(app, services, method, request).await?;
    // What the service says of a message without an end is not the reason.
    match refused.and_then(|mut refused| refused.try_recv().ok()) {
        Some(refusal) => Err(refusal),
        None => Ok(response),
    }
}

/// Returns what the services are told.
fn extensions(noted: &Noted) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    if let Some(caller) = &noted.caller {
        extensions.insert(Caller(Arc::clone(caller)));
    }
    if let Some(attempt) = &noted.attempt {
        extensions.insert(attempt.clone());
    }
    extensions
}

/// Calls a method, until the caller's deadline or the method's own. A change runs to its end all the same, and a stream
/// has to begin soon.
async fn call(app: &App, services: &Router, method: &Method, mut request: Request<Body>) -> ApiResult<Response> {
    let asked = deadline::timeout_of(request.headers())?;
    let time = [asked, method.time_max].into_iter().flatten().min();
    if time.is_some_and(|time| time.is_zero()) {
        return Err(deadline::passed());
    }
    let end = time.and_then(|time| Instant::now().checked_add(time));
    if let Some(end) = end {
        request.extensions_mut().insert(End(end));
    }
    let services = services.clone();
    let answer = async move {
        let Ok(response) = services.oneshot(request).await;
        response
    };
    let response = match (method.action, method.time_max) {
        (Some(_), _) => wait(end, tokio::spawn(answer)).await?.map_err(ApiError::internal)?,
        (None, Some(_)) => wait(end, answer).await?,
        (None, None) => wait(end, begin(app.config.http.body_timeout, answer)).await??,
    };
    Ok(match end {
        Some(end) => response.map(|body| Body::new(Until::new(body, end))),
        None => response,
    })
}

/// Waits until the time is over, if it ever is.
async fn wait<T>(end: Option<Instant>, work: impl Future<Output = T>) -> ApiResult<T> {
    match end {
        Some(end) => timeout_at(end, work).await.map_err(|_elapsed| deadline::passed()),
        None => Ok(work.await),
    }
}

/// Waits for the head of a stream: it comes when the message that asks for it is there, or at once where there may be
/// several.
async fn begin(time_max: Duration, answer: impl Future<Output = Response>) -> ApiResult<Response> {
    timeout(time_max, answer).await.map_err(|_elapsed| {
        let detail =
            format!("the stream did not begin within {} s: send its message, and end it", time_max.as_secs_f64());
        ApiError::new(codes::REQUEST_TIMEOUT, detail)
    })
}

/// Answers with a status: one of this host's own, or one that the protocol's layer found and that gets a code here.
async fn refuse(
    app: &App,
    response: Response,
    status: Status,
    id: Option<RequestId>,
    attempt: Option<&Attempt>,
) -> Response {
    let completed = completed(&status).filter(|_| source_of(&status).is_none());
    let (response, status) = match completed {
        Some(error) => {
            let status = Status::from(error);
            (status.clone().into_http(), status)
        }
        None => (response, status),
    };
    if let Some(error) = source_of(&status) {
        error.log(id.as_ref().map(RequestId::as_str).unwrap_or_default());
        note_refusal(app, attempt, error).await;
    }
    response
}
