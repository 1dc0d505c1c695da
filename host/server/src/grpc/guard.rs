//! What stands before every call: who calls, whether they may, how often they come, and for how long they wait.
//!
//! It is the guard of the HTTP API, in gRPC's words: a credential that is not believed is refused everywhere, and a
//! change that a known caller is refused gets its entry in the audit trail.

use std::sync::Arc;

use axum::{Router, body::Body, response::Response};
use backplane_auth::Principal;
use http::Request;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
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
    middleware::{access_log::LoggedCaller, guard::note_refusal, request_id::RequestId},
    problem::{ApiError, ApiResult},
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

/// What is known of a call when it is answered.
#[derive(Default)]
struct Noted {
    caller: Option<Arc<Principal>>,
    attempt: Option<Attempt>,
}

async fn admit(
    app: &Arc<App>,
    services: &Router,
    mut request: Request<Incoming>,
    noted: &mut Noted,
) -> ApiResult<Response> {
    let method = methods::find(request.uri().path())?;
    noted.caller = app.identity.authenticate(request.headers(), app.clock.unix_ms()).await?;
    let caller = noted.caller.as_ref();
    noted.attempt = caller
        .zip(method.action)
        .map(|(caller, action)| Attempt::named(action, Arc::clone(caller), Origin::of(request.extensions())));
    challenge::require(&method.who.access(), caller.map(Arc::as_ref))?;
    // Who watches the server is never held off.
    if let Some(limit) = app.rate_limits.server.as_ref().filter(|_| method.who != Who::Anybody) {
        limit.admit(caller.map(Arc::as_ref), address_of(request.extensions()))?;
    }
    request.extensions_mut().extend(extensions(noted));
    call(services, method, request).await
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

/// Calls a method, until the caller's deadline or the method's own. A change runs to its end all the same.
async fn call(services: &Router, method: &Method, request: Request<Incoming>) -> ApiResult<Response> {
    let asked = deadline::timeout_of(request.headers())?;
    let time = [asked, method.time_max].into_iter().flatten().min();
    if time.is_some_and(|time| time.is_zero()) {
        return Err(deadline::passed());
    }
    let services = services.clone();
    let answer = async move {
        let Ok(response) = services.oneshot(request).await;
        response
    };
    let Some(end) = time.and_then(|time| Instant::now().checked_add(time)) else { return Ok(answer.await) };
    let response = match method.action {
        Some(_) => {
            let running = tokio::spawn(answer);
            timeout_at(end, running).await.map_err(|_elapsed| deadline::passed())?.map_err(ApiError::internal)?
        }
        None => timeout_at(end, answer).await.map_err(|_elapsed| deadline::passed())?,
    };
    Ok(response.map(|body| Body::new(Until::new(body, end))))
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
