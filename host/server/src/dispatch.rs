//! Plugin traffic: from a request to the guest's answer.
//!
//! One request looks at one immutable [`RouteTable`] and runs to its end on the generation that it found there,
//! whatever is published meanwhile. Nothing here takes a lock or touches a database, but for a request with an
//! `Idempotency-Key`, and for a credential that was not seen for a minute. The path is looked up first, then it is asked
//! who calls, whether they may, and whether they come too often, so that nobody learns more than they may. The body is
//! read whole, within the route's bounds, before a permit or an instance is taken: a slow client holds neither.
//!
//! A method of gRPC is a [`Target`] like a route, under the same rules. It is called by [`Unary`], over gRPC by
//! [`crate::grpc`] and in JSON from here.

mod failure;
pub(crate) mod idempotency;
mod json;
mod mounted;
mod once;
mod path;
mod policy;
mod request;
mod response;
mod services;
mod table;
mod target;
mod unary;

use std::{future::ready, pin::pin, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use backplane_auth::Principal;
use backplane_runtime::{Answer, CallContext, InvokeError, OnAbandon, keyspace::Keyspace};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, header::AUTHORIZATION, request::Parts};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

pub use self::{
    json::Transcodings,
    mounted::Mounted,
    policy::{Policy, PolicyError, RoutePolicy},
    services::GrpcTable,
    table::{BuildTableError, RouteTable},
    target::{Bounds, Handler, Target},
};
pub(crate) use self::{
    request::{is_trace_parent, trace_parent},
    response::check as check_response,
    unary::{Unary, UnaryEnded},
};
use crate::{
    app::App,
    identity::challenge,
    listen::{address_of, is_crowded},
    middleware::{access_log::LoggedCaller, read_body::read_body, request_id::RequestId},
    problem::{ApiError, ApiResult, codes},
};

/// When a client that has not taken its answers may come again.
const CROWDED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Answers one request with a plugin.
///
/// # Errors
/// When no route matches, the caller may not call it, the body breaks a bound, or the plugin fails.
///
/// # Cancel safety
/// When the client goes away, a safe method stops; any other runs to its end.
pub async fn dispatch(app: &App, request: Request<Incoming>) -> ApiResult<Response> {
    let found = app.live.routes().find(request.method(), request.uri().path())?;
    let Some(caller) = authenticate(app, request.headers()).await? else {
        return serve(app, found, None, request).await;
    };
    let answered = serve(app, found, Some(Arc::clone(&caller)), request).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    LoggedCaller::note(&mut response, caller, app.config.log.access);
    Ok(response)
}

/// Returns who calls. Whoever brings no credential costs a look for the header, and not even one at the clock.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> ApiResult<Option<Arc<Principal>>> {
    match headers.contains_key(AUTHORIZATION) {
        true => app.identity.authenticate(headers, app.clock.unix_ms()).await,
        false => Ok(None),
    }
}

/// Answers a caller, if it may call, and not too often.
async fn serve(
    app: &App,
    found: Found,
    caller: Option<Arc<Principal>>,
    request: Request<Incoming>,
) -> ApiResult<Response> {
    let Found { target, params } = found;
    admit(&target, caller.as_deref(), request.extensions())?;
    let route = match target.handler {
        Handler::Route(route) => route,
        Handler::Method(_) => return Box::pin(json::answer(app, target, caller, request)).await,
    };
    let (parts, body) = request.into_parts();
    let repeatable = match target.replies().filter(|_| !parts.method.is_safe()) {
        Some(replies) => idempotency::find_key(&parts.headers)?.map(|key| (Arc::clone(replies), key)),
        None => None,
    };
    let (body, caller) = match body.is_end_stream() {
        true => (Bytes::new(), caller),
        // Boxed: a request without a body does not carry around what reading one needs.
        false => {
            let coming = Box::pin(read_body(body, target.body_bytes_max, app.config.http.body_timeout));
            wait_for_body(app, &target, &parts.headers, caller, coming).await?
        }
    };
    let deadline = Instant::now() + target.timeout;
    let call = Call { target, route, caller, parts, params, body, deadline };
    match repeatable {
        None => {
            let keyspace = call.target.keyspace();
            let (target, ended) = call.run(keyspace).await;
            answer(app, &target, ended)
        }
        Some((replies, key)) => Box::pin(once::answer_once(app, call, replies, key)).await,
    }
}

/// Waits for what a caller sends, and asks again who that is where it is not there at once: what is revoked meanwhile is
/// believed no more.
///
/// # Errors
/// Those of `coming`, and as at first.
pub(crate) async fn wait_for_body<T, E: From<ApiError>>(
    app: &App,
    target: &Target,
    headers: &HeaderMap,
    caller: Option<Arc<Principal>>,
    coming: impl Future<Output = Result<T, E>>,
) -> Result<(T, Option<Arc<Principal>>), E> {
    let Some(caller) = caller else { return Ok((coming.await?, None)) };
    let mut coming = pin!(coming);
    let body = tokio::select! {
        biased;
        body = &mut coming => return Ok((body?, Some(caller))),
        () = ready(()) => coming.await?,
    };
    let caller = authenticate(app, headers).await?;
    challenge::require(&target.access, caller.as_deref())?;
    Ok((body, caller))
}

/// Lets a caller pass that may call, does not come too often, and for whose answer there is room.
///
/// # Errors
/// As [`challenge::require`], `answers_waiting`, and `too_many_requests`.
pub(crate) fn admit(target: &Target, caller: Option<&Principal>, extensions: &Extensions) -> ApiResult<()> {
    challenge::require(&target.access, caller)?;
    if is_crowded(extensions) {
        let detail = "clients have not taken the answers that are there for them: read those, and come again";
        return Err(ApiError::new(codes::ANSWERS_WAITING, detail).with_retry_after(CROWDED_RETRY_AFTER));
    }
    let Some(limits) = &target.limits else { return Ok(()) };
    let address = address_of(extensions);
    limits.iter().try_for_each(|limit| limit.admit(caller, address))
}

/// One request to a plugin, read whole.
struct Call {
    target: Arc<Target>,
    route: u32,
    caller: Option<Arc<Principal>>,
    parts: Parts,
    params: Vec<String>,
    body: Bytes,
    deadline: Instant,
}

impl Call {
    /// Runs the plugin's handler, and gives the route back for what is to be said about it.
    async fn run(self, keyspace: Option<Arc<dyn Keyspace>>) -> (Arc<Target>, Result<Answer, InvokeError>) {
        let Self { target, route, caller, parts, params, body, deadline } = self;
        let context = context_of(&parts, caller.as_deref(), deadline, keyspace);
        let on_abandon = if parts.method.is_safe() { OnAbandon::Cancel } else { OnAbandon::Finish };
        let guest_request = request::to_guest(&target, route, &parts, params, body.into());
        let ended = target.generation.handle_http(guest_request, context, on_abandon).await;
        (target, ended)
    }
}

/// Makes what the guest can learn of a call.
fn context_of(
    parts: &Parts,
    caller: Option<&Principal>,
    deadline: Instant,
    keyspace: Option<Arc<dyn Keyspace>>,
) -> CallContext {
    CallContext {
        request_id: parts.extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
        principal: caller.map(|caller| Arc::new(request::to_principal(caller))),
        trace_parent: trace_parent(&parts.headers),
        deadline,
        keyspace,
    }
}

/// Makes the client's answer of the guest's.
fn answer(app: &App, target: &Target, ended: Result<Answer, InvokeError>) -> ApiResult<Response> {
    match ended {
        Ok(Ok(answer)) => response::from_guest(answer).map_err(|fault| failure::invalid_response(target, fault)),
        Ok(Err(problem)) => Err(failure::from_problem(problem)),
        Err(error) => Err(failure::from_invoke(target, error, app.runtime.limits().queue_timeout)),
    }
}

/// What a request matched.
#[derive(Debug)]
pub struct Found {
    /// The route, with the generation that answers it.
    pub target: Arc<Target>,
    /// Values of its parameters, decoded.
    pub params: Vec<String>,
}

/// Joins methods as the `Allow` header lists them (RFC 9110, section 10.2.1).
fn join_methods<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    methods.map(Method::as_str).collect::<Vec<_>>().join(", ")
}
