//! Who may call the host's own routes, in three groups: anybody, whoever is signed in, administrators.
//!
//! A guard stands where routes are listed, behind the lookup of path and method: what is not there is not there for
//! anybody. A credential that is not believed is refused in every group. A change that a known caller is refused, here
//! or further in, gets its entry in the audit trail.
//!
//! A body may come much later than the head that a caller was let in by: [`SecondLook`].

mod second_look;

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use backplane_auth::{Access, Names, Principal};

pub(crate) use self::second_look::SecondLook;
use crate::{
    app::{App, AppState},
    identity::{
        ADMIN_ROLE, challenge,
        trail::{self, Attempt, Caller},
    },
    listen::address_of,
    middleware::access_log::LoggedCaller,
    problem::{ApiError, ApiResult, Chain},
};

/// Whoever has the administrator's role.
static ADMINISTRATORS: LazyLock<Access> = LazyLock::new(|| {
    let roles_any = Names::new([ADMIN_ROLE]).expect("a word of letters is the name of a role");
    Access::SignedIn { roles_any, scopes_all: Names::default() }
});

/// Lets anybody pass, for [`axum::middleware::from_fn_with_state`].
pub async fn anybody(State(app): State<AppState>, request: Request, next: Next) -> Response {
    guard(&app.0, &Access::Public, request, next).await.unwrap_or_else(ApiError::into_response)
}

/// Lets whoever is signed in pass.
pub async fn signed_in(State(app): State<AppState>, request: Request, next: Next) -> Response {
    guard(&app.0, &Access::signed_in(), request, next).await.unwrap_or_else(ApiError::into_response)
}

/// Lets administrators pass.
pub async fn administrators(State(app): State<AppState>, request: Request, next: Next) -> Response {
    guard(&app.0, &ADMINISTRATORS, request, next).await.unwrap_or_else(ApiError::into_response)
}

async fn guard(app: &Arc<App>, access: &Access, request: Request, next: Next) -> ApiResult<Response> {
    let caller = app.identity.authenticate(request.headers(), app.clock.unix_ms()).await?;
    let answered = answer(app, access, caller.clone(), request, next).await;
    let Some(caller) = caller else { return answered };
    let mut response = answered.unwrap_or_else(ApiError::into_response);
    LoggedCaller::note(&mut response, caller, app.config.log.access);
    Ok(response)
}

/// Answers a caller, if it may call, and not too often.
async fn answer(
    app: &Arc<App>,
    access: &Access,
    caller: Option<Arc<Principal>>,
    mut request: Request,
    next: Next,
) -> ApiResult<Response> {
    // What anybody may do keeps its own entries: a sign-in is about another than who calls.
    let known = caller.as_ref().filter(|_| *access != Access::Public);
    let attempt = known.and_then(|caller| Attempt::of(&request, caller));
    // Who watches the server is never held off.
    let limit = app.rate_limits.server.as_ref().filter(|_| request.uri().path().starts_with("/api/"));
    let address = address_of(request.extensions());
    let admit = || limit.map_or(Ok(()), |limit| limit.admit(caller.as_deref(), address));
    if let Err(refusal) = challenge::require(access, caller.as_deref()) {
        // What comes too often must not fill the trail, whatever it is refused for. A stranger leaves no entry.
        note_refusal(app, attempt.as_ref().filter(|_| admit().is_ok()), &refusal).await;
        return Err(refusal);
    }
    admit()?;
    let second_look = known.map(|known| SecondLook::new(app, request.headers(), access.clone(), known));
    let refused = second_look.map(|look| look.take_at_the_end_of(request.body_mut()));
    if let Some(caller) = caller {
        request.extensions_mut().insert(Caller(caller));
    }
    if let Some(attempt) = attempt.clone() {
        request.extensions_mut().insert(attempt);
    }
    let response = next.run(request).await;
    // What the handler says of a body without an end is not the reason.
    if let Some(refusal) = refused.and_then(|mut refused| refused.try_recv().ok()) {
        note_refusal(app, attempt.as_ref(), &refusal).await;
        return Err(refusal);
    }
    if let Some(refusal) = response.extensions().get::<Arc<ApiError>>() {
        note_refusal(app, attempt.as_ref(), refusal).await;
    }
    Ok(response)
}

/// Writes down what a known caller was not allowed, or could not do.
pub(crate) async fn note_refusal(app: &App, attempt: Option<&Attempt>, refusal: &ApiError) {
    let Some(attempt) = attempt else { return };
    let entry = attempt.entry(refusal.code(), app.clock.unix_ms());
    if let Err(error) = app.store.write(move |connection| trail::append(connection, entry)).await {
        tracing::warn!(error = Chain(&error).to_string(), "a refused change is not in the audit trail");
    }
}
