//! Calls of plugins' methods: who calls, whether they may and how often they come is asked as for a route, and what goes
//! wrong is told as by the host's own services.
//!
//! They do not go through tonic: [`frame`](super::frame) says why.

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use backplane_auth::Principal;
use backplane_runtime::GrpcStatus;
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{
    deadline,
    frame::{self, read_message},
    status::{of_plugin, source_of},
};
use crate::{
    app::App,
    dispatch::{self, Target, Unary, UnaryEnded},
    middleware::{access_log::LoggedCaller, request_id::RequestId},
    problem::{ApiResult, codes},
};

/// Answers a call with a plugin. Whatever fails is a status, and is logged here.
pub(super) async fn answer(app: &App, target: Arc<Target>, request: Request<Incoming>) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let caller = match dispatch::authenticate(app, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return refuse(error.into(), id),
    };
    let answered = serve(app, &target, caller.clone(), request).await;
    let mut response = answered.unwrap_or_else(|status| refuse(status, id));
    if let Some(caller) = caller {
        LoggedCaller::note_call(&mut response, caller, app.config.log.access);
    }
    response
}

/// Answers a caller, if it may call, and not too often.
async fn serve(
    app: &App,
    target: &Target,
    caller: Option<Arc<Principal>>,
    request: Request<Incoming>,
) -> Result<Response, Status> {
    dispatch::admit(target, caller.as_deref(), request.extensions())?;
    let patience = Patience::of(request.headers())?;
    let (parts, body) = request.into_parts();
    let read = read_message(&parts.headers, body, target.body_bytes_max, app.config.http.body_timeout);
    // Boxed: a call does not carry around what reading its message needs.
    let read = dispatch::wait_for_body(app, target, &parts.headers, caller, Box::pin(read));
    let (message, caller) = patience.wait(read).await??;
    let own_deadline = Instant::now() + target.timeout;
    let deadline = patience.end.map_or(own_deadline, |end| end.min(own_deadline));
    let call = Unary { target, parts: &parts, caller: caller.as_deref(), message, deadline };
    match patience.wait(call.run(app)).await? {
        Ok(message) => Ok(frame::answer(&parts.headers, message).await),
        Err(ended) => Err(told(target, ended, deadline < own_deadline)),
    }
}

/// Until when the caller waits.
struct Patience {
    end: Option<Instant>,
}

impl Patience {
    fn of(headers: &HeaderMap) -> ApiResult<Self> {
        let time = deadline::timeout_of(headers)?;
        if time == Some(Duration::ZERO) {
            return Err(deadline::passed());
        }
        Ok(Self { end: time.and_then(|time| Instant::now().checked_add(time)) })
    }

    /// Waits as long as the caller does. What is left then stops, or finishes, as it does for a caller that went away.
    async fn wait<T>(&self, work: impl Future<Output = T>) -> ApiResult<T> {
        match self.end {
            None => Ok(work.await),
            Some(end) => timeout_at(end, work).await.map_err(|_elapsed| deadline::passed()),
        }
    }
}

/// Returns what the caller is told whose call was not answered.
fn told(target: &Target, ended: UnaryEnded, is_callers_time: bool) -> Status {
    match ended {
        UnaryEnded::Refused(GrpcStatus { code, reason, message }) => {
            of_plugin(&target.generation.manifest().name, code, reason, &message)
        }
        UnaryEnded::OutOfTime(_) if is_callers_time => deadline::passed().into(),
        UnaryEnded::OutOfTime(error) | UnaryEnded::Failed(error) => error.into(),
    }
}

fn refuse(status: Status, id: Option<RequestId>) -> Response {
    let error = source_of(&status);
    if let Some(error) = error {
        error.log(id.as_ref().map(RequestId::as_str).unwrap_or_default());
    }
    let is_about_encodings = error.is_some_and(|error| error.code() == codes::UNSUPPORTED_ENCODING.name);
    let mut response = status.into_http();
    if is_about_encodings {
        frame::name_encodings(&mut response);
    }
    response
}
