//! The audit trail: who did what, from where, and what came of it.
//!
//! A change that succeeds writes its entry in its own transaction. One that is refused writes it afterwards, where
//! everything below `/api` passes: `middleware/guard.rs`. No secret is in an entry, nor what somebody typed as the name
//! of an account that does not exist: it may be a password.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::extract::{FromRequestParts, MatchedPath};
use backplane_auth::{Principal, UnixMs};
use backplane_store::{
    Connection, StoreError,
    identity::{
        audit::{self, NewEntry},
        users,
    },
};
use http::{Extensions, Method, request::Parts};

use crate::{
    app::App,
    listen::address_of,
    middleware::request_id::RequestId,
    problem::{ApiError, ApiResult, Chain},
};

/// The result of what succeeded.
pub const OK: &str = "ok";

/// What each changing route is called in the trail.
const ACTIONS: &[(Method, &str, &str)] = &[
    (Method::POST, "/api/auth/logout", "logout"),
    (Method::PUT, "/api/auth/password", "password.change"),
    (Method::POST, "/api/users", "user.create"),
    (Method::PATCH, "/api/users/{name}", "user.update"),
    (Method::DELETE, "/api/users/{name}", "user.delete"),
    (Method::POST, "/api/api-keys", "api-key.create"),
    (Method::DELETE, "/api/api-keys/{id}", "api-key.revoke"),
    (Method::POST, "/api/keys/rotate", "key.rotate"),
    (Method::POST, "/api/plugins/{name}/rollback", "plugin.rollback"),
    (Method::POST, "/api/subscriptions/{id}/pause", "subscription.pause"),
    (Method::POST, "/api/subscriptions/{id}/resume", "subscription.resume"),
    (Method::POST, "/api/subscriptions/{id}/replay", "subscription.replay"),
    (Method::POST, "/api/dead-letters/retry", "dead-letter.retry"),
    (Method::POST, "/api/dead-letters/{id}/retry", "dead-letter.retry"),
    (Method::POST, "/api/dead-letters/drop", "dead-letter.drop"),
    (Method::DELETE, "/api/dead-letters/{id}", "dead-letter.drop"),
    (Method::POST, "/api/schedules/{plugin}/{handler}/run", "schedule.run"),
];

/// What is no change of the server but its use, and may come a thousand times in a second.
const USES: &[&str] = &["/api/events", "/api/events/{topic}"];

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The address at the other end of the connection: the client's, or that of the proxy before it.
    pub address: IpAddr,
    /// The request.
    request_id: Option<RequestId>,
}

/// Who calls, for handlers behind the guard.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Principal>);

/// A change that a known caller asks for.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Who asks.
    pub caller: Arc<Principal>,
    /// From where.
    pub origin: Origin,
    action: Cow<'static, str>,
    /// What is to be changed, once that is known.
    target: Arc<OnceLock<String>>,
}

impl Origin {
    /// Returns where a request with these extensions comes from.
    pub fn of(extensions: &Extensions) -> Self {
        Self { address: address_of(extensions).to_canonical(), request_id: extensions.get().copied() }
    }

    /// Makes an entry about somebody whom nobody knows yet.
    pub fn entry(&self, action: &str, kind: &str, result: &str, at: UnixMs) -> NewEntry {
        NewEntry {
            at_ms: at.0,
            kind: kind.to_owned(),
            address: Some(self.address.to_string()),
            action: action.to_owned(),
            result: result.to_owned(),
            request_id: self.request_id.map(|id| id.to_string()),
            ..NewEntry::default()
        }
    }
}

impl Attempt {
    /// Returns what `caller` asks for with a request, if it is a change.
    pub fn of<B>(request: &http::Request<B>, caller: &Arc<Principal>) -> Option<Self> {
        if request.method().is_safe() {
            return None;
        }
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        if USES.contains(&path) {
            return None;
        }
        let (caller, origin) = (Arc::clone(caller), Origin::of(request.extensions()));
        let action = name_action(request.method(), path);
        Some(Self { caller, origin, action, target: Arc::default() })
    }

    /// Makes the change that `action` names.
    pub fn named(action: &'static str, caller: Arc<Principal>, origin: Origin) -> Self {
        Self { caller, origin, action: Cow::Borrowed(action), target: Arc::default() }
    }

    /// Says what is to be changed.
    pub fn aim_at(&self, target: &str) {
        self.target.get_or_init(|| target.to_owned());
    }

    /// Returns what is to be changed, if that was said.
    pub fn target(&self) -> Option<&str> {
        self.target.get().map(String::as_str)
    }

    /// Makes the entry for what came of it.
    pub fn entry(&self, result: &str, at: UnixMs) -> NewEntry {
        NewEntry {
            actor: Some(self.caller.subject().to_owned()),
            target: self.target.get().cloned(),
            ..self.origin.entry(&self.action, self.caller.kind().as_str(), result, at)
        }
    }
}

/// Adds what else is worth knowing to an entry.
pub fn with_detail(entry: NewEntry, detail: String) -> NewEntry {
    NewEntry { detail: Some(detail).filter(|detail| !detail.is_empty()), ..entry }
}

/// Writes a change into the trail that is no transaction of the store. It has happened: the entry can only be late.
pub async fn note(app: &App, attempt: &Attempt, detail: String) {
    let entry = with_detail(attempt.entry(OK, app.clock.unix_ms()), detail);
    if let Err(error) = app.store.write(move |connection| append(connection, entry)).await {
        let (error, target) = (Chain(&error).to_string(), attempt.target());
        tracing::warn!(error, target, action = &*attempt.action, "a change is not in the audit trail");
    }
}

/// A change that is not in the list is called by its method and path: nothing goes unnoticed.
fn name_action(method: &Method, path: &str) -> Cow<'static, str> {
    let listed = ACTIONS.iter().find(|(of, at, _)| of == method && *at == path);
    match listed {
        Some((_, _, action)) => Cow::Borrowed(*action),
        None => Cow::Owned(format!("{method} {path}")),
    }
}

/// Adds an entry, with the name of its actor.
///
/// # Errors
/// When the database cannot be written.
pub fn append(connection: &mut Connection, mut entry: NewEntry) -> Result<(), StoreError> {
    if let (Some(subject), None) = (&entry.actor, &entry.actor_name) {
        entry.actor_name = users::find(connection, subject)?.map(|user| user.name);
    }
    audit::append(connection, entry)
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        find(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Attempt {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        find(parts)
    }
}

/// Returns what the guard left in a request.
fn find<T: Clone + Send + Sync + 'static>(parts: &Parts) -> ApiResult<T> {
    parts.extensions.get().cloned().ok_or_else(|| ApiError::internal("a handler that no guard stands before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_name_also_where_nobody_gave_it_one() {
        assert_eq!(name_action(&Method::POST, "/api/users"), "user.create");
        assert_eq!(name_action(&Method::PUT, "/api/users"), "PUT /api/users");
    }

    #[test]
    fn a_target_is_known_to_every_copy_and_does_not_change() {
        let request = http::Request::builder().method(Method::DELETE).body(()).expect("a request");
        let attempt = Attempt::of(&request, &crate::identity::testing::caller("u1", &["admin"])).expect("a change");
        attempt.clone().aim_at("ada");
        attempt.aim_at("bob");
        let entry = attempt.entry("last_administrator", UnixMs(7));
        assert_eq!((entry.actor.as_deref(), entry.target.as_deref()), (Some("u1"), Some("ada")));
        assert_eq!((entry.at_ms, entry.kind.as_str(), entry.result.as_str()), (7, "user", "last_administrator"));
    }

    #[test]
    fn looking_is_no_change() {
        let request = http::Request::get("/").body(()).expect("a request");
        assert!(Attempt::of(&request, &crate::identity::testing::caller("u1", &[])).is_none());
    }
}
