//! How a caller is refused, and told what to bring instead (RFC 6750 §3, RFC 9110 §11.6.1).
//!
//! docs/errors.md has the rule for 401, 403 and 404. No other file writes `www-authenticate`.

use std::time::Duration;

use axum::response::Response;
use backplane_auth::{Access, AuthenticateError, Decision, Names, Principal};
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

use crate::problem::{ApiError, ApiResult, codes};

/// When a credential that could not be checked is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Asks for a credential, and says nothing else (RFC 6750 §3).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// Refuses a request without a credential where one is needed.
pub fn unauthenticated() -> ApiError {
    let detail = "sign in: send `authorization: Bearer` and an access token or an API key";
    ApiError::new(codes::UNAUTHENTICATED, detail).with_header(WWW_AUTHENTICATE, BEARER)
}

/// Refuses a sign-in. Whether there is such an account is not told.
pub(super) fn invalid_credentials() -> ApiError {
    let detail = "the name or the password is wrong, or the account is locked";
    ApiError::new(codes::INVALID_CREDENTIALS, detail).with_header(WWW_AUTHENTICATE, BEARER)
}

/// Refuses a refresh.
pub(super) fn invalid_refresh_token() -> ApiError {
    let detail = "the refresh token is not good, or not any more: sign in again";
    ApiError::new(codes::INVALID_REFRESH_TOKEN, detail).with_header(WWW_AUTHENTICATE, BEARER)
}

/// Refuses a set-up token.
pub(super) fn invalid_setup_token() -> ApiError {
    let detail = "the set-up token is not good, or not any more: start the server again, or use `backplane user add`";
    ApiError::new(codes::INVALID_SETUP_TOKEN, detail).with_header(WWW_AUTHENTICATE, BEARER)
}

/// Refuses a known caller that lacks a role. The detail says which, or what to do.
pub fn forbidden(detail: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(codes::FORBIDDEN, detail)
}

/// Refuses a known caller whose credential lacks one of the scopes in `needed`.
pub fn insufficient_scope(needed: &Names) -> ApiError {
    let scope = needed.to_scope();
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    let error = ApiError::new(codes::INSUFFICIENT_SCOPE, format!("this needs a credential with the scopes `{scope}`"));
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => error.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => error,
    }
}

/// Says with a plugin's own 401 what to bring, where the plugin does not: a 401 without a challenge is none
/// (RFC 9110 §15.5.2).
pub fn complete(response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED && !response.headers().contains_key(WWW_AUTHENTICATE) {
        response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
    }
}

/// Does the same for a plugin's problem.
pub fn completed(problem: ApiError) -> ApiError {
    match problem.status() {
        StatusCode::UNAUTHORIZED => problem.with_header(WWW_AUTHENTICATE, BEARER),
        _ => problem,
    }
}

/// Lets a caller pass who fulfils `access`. Without the role that is needed no scope helps, so that is told first.
///
/// # Errors
/// `unauthenticated`, `forbidden` or `insufficient_scope`.
pub fn require(access: &Access, caller: Option<&Principal>) -> ApiResult<()> {
    match (access.decide(caller), access, caller) {
        (Decision::Allow, ..) => Ok(()),
        (Decision::Forbidden, Access::SignedIn { roles_any, scopes_all }, Some(caller)) => {
            let has_role = roles_any.is_empty() || roles_any.intersects(caller.roles());
            Err(if has_role { insufficient_scope(scopes_all) } else { lacks_role(roles_any) })
        }
        (Decision::Unauthenticated | Decision::Forbidden, ..) => Err(unauthenticated()),
    }
}

fn lacks_role(roles_any: &Names) -> ApiError {
    let roles: Vec<_> = roles_any.iter().map(|role| format!("`{role}`")).collect();
    match roles.as_slice() {
        [role] => forbidden(format!("this is for callers with the role {role}")),
        roles => forbidden(format!("this is for callers with one of the roles {}", roles.join(", "))),
    }
}

/// Refuses a request whose credential cannot be read.
pub(super) fn malformed(detail: &'static str) -> ApiError {
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_request\"");
    ApiError::new(codes::INVALID_REQUEST, detail).with_header(WWW_AUTHENTICATE, challenge)
}

/// Refuses a request whose credential is not believed, or cannot be checked.
pub(super) fn refused(error: AuthenticateError) -> ApiError {
    match error {
        AuthenticateError::Scheme => {
            malformed("the `Authorization` header must be `Bearer` and one access token or API key")
        }
        AuthenticateError::Token(_) | AuthenticateError::ApiKey(_) => {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            ApiError::new(codes::INVALID_TOKEN, error.to_string()).with_header(WWW_AUTHENTICATE, challenge)
        }
        AuthenticateError::Unavailable(source) => {
            let detail = "the credential cannot be checked at the moment";
            ApiError::new(codes::IDENTITY_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER).with_source(source)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use backplane_auth::{PrincipalKind, PrincipalParts, VerifyError};

    use super::*;

    fn names(names: &[&str]) -> Names {
        Names::new(names).expect("names")
    }

    fn caller(roles: &[&str], scopes: &[&str]) -> Principal {
        Principal::new(PrincipalParts {
            subject: "u1".into(),
            kind: PrincipalKind::User,
            roles: names(roles),
            scopes: names(scopes),
            session: None,
            claims: "{}".into(),
        })
    }

    #[track_caller]
    fn check(error: ApiError, status: u16, code: &str, challenge: Option<&str>) {
        assert_eq!((error.status().as_u16(), error.code()), (status, code));
        let response = error.into_response();
        let sent = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("text"));
        assert_eq!(sent, challenge);
    }

    #[test]
    fn tells_nobody_to_sign_in() {
        check(unauthenticated(), 401, "unauthenticated", Some("Bearer"));
    }

    #[test]
    fn tells_a_stranger_and_a_known_caller_apart() {
        let access = Access::SignedIn { roles_any: names(&["clerk", "admin"]), scopes_all: names(&["b", "a"]) };
        let refused = |caller: Option<&Principal>| require(&access, caller).expect_err("refused");
        check(refused(None), 401, "unauthenticated", Some("Bearer"));
        check(refused(Some(&caller(&["guest"], &["a", "b"]))), 403, "forbidden", None);
        check(refused(Some(&caller(&[], &[]))), 403, "forbidden", None);
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"a b\"";
        check(refused(Some(&caller(&["clerk"], &["a"]))), 403, "insufficient_scope", Some(challenge));
        assert!(require(&access, Some(&caller(&["clerk"], &["a", "b", "c"]))).is_ok());
        assert!(require(&Access::Public, None).is_ok());
    }

    #[test]
    fn a_plugins_401_says_what_to_bring() {
        let challenge_of = |status: u16, own: Option<&'static str>| {
            let mut response = StatusCode::from_u16(status).expect("a status").into_response();
            response.headers_mut().extend(own.map(|own| (WWW_AUTHENTICATE, HeaderValue::from_static(own))));
            complete(&mut response);
            response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(challenge_of(401, None).as_deref(), Some("Bearer"));
        assert_eq!(challenge_of(401, Some("Basic realm=\"x\"")).as_deref(), Some("Basic realm=\"x\""));
        assert_eq!(challenge_of(403, None), None);
        let problem = |status| completed(ApiError::from_plugin(status, "own".to_owned(), String::new()));
        check(problem(401), 401, "own", Some("Bearer"));
        check(problem(403), 403, "own", None);
    }

    #[test]
    fn tells_what_is_wrong_with_a_credential() {
        let malformed = Some("Bearer error=\"invalid_request\"");
        check(refused(AuthenticateError::Scheme), 400, "invalid_request", malformed);
        let invalid = Some("Bearer error=\"invalid_token\"");
        check(refused(AuthenticateError::Token(VerifyError::Expired)), 401, "invalid_token", invalid);
        check(refused(AuthenticateError::Unavailable("down".into())), 503, "identity_unavailable", None);
    }
}
