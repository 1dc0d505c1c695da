//! Bodies of requests and answers, as most endpoints have them.

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Query},
};
use http::{HeaderName, StatusCode, header::CACHE_CONTROL, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    app::AppState,
    middleware::read_body::read_body,
    problem::{ApiError, ApiResult, codes},
};

/// Longest body in bytes.
pub(super) const BODY_BYTES_MAX: usize = 4 << 10;
/// Longest body that is a list, in bytes.
const LONG_BODY_BYTES_MAX: usize = 64 << 10;

/// An answer that nobody may keep, because a secret is in it.
pub(super) type NoStore<T> = (StatusCode, [(HeaderName, &'static str); 1], Json<T>);

/// Makes an answer that nobody may keep.
pub(super) fn no_store<T>(status: StatusCode, answer: T) -> NoStore<T> {
    (status, [(CACHE_CONTROL, "no-store")], Json(answer))
}

/// Reads a body of JSON. What it should have been is told in the words of `expected`, and never what it was: it may
/// hold a secret.
///
/// # Errors
/// `payload_too_large`, `request_timeout` or `invalid_request`.
pub(super) async fn read_json<T: DeserializeOwned>(app: &AppState, body: Body, expected: &str) -> ApiResult<T> {
    let body = read_body(body, BODY_BYTES_MAX, app.config.http.body_timeout).await?;
    parse_json(&body, expected)
}

/// Reads a body of JSON that may be a list of names.
///
/// # Errors
/// As [`read_json`].
pub(super) async fn read_long_json<T: DeserializeOwned>(app: &AppState, body: Body, expected: &str) -> ApiResult<T> {
    let body = read_body(body, LONG_BODY_BYTES_MAX, app.config.http.body_timeout).await?;
    parse_json(&body, expected)
}

/// Reads a body of JSON that may be left out.
///
/// # Errors
/// As [`read_json`].
pub(super) async fn read_optional_json<T: DeserializeOwned + Default>(
    app: &AppState,
    body: Body,
    expected: &str,
) -> ApiResult<T> {
    let body = read_body(body, BODY_BYTES_MAX, app.config.http.body_timeout).await?;
    if body.is_empty() { Ok(T::default()) } else { parse_json(&body, expected) }
}

fn parse_json<T: DeserializeOwned>(body: &[u8], expected: &str) -> ApiResult<T> {
    // A list of values in the right order would do for serde; it is not what is documented.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::new(codes::INVALID_REQUEST, format!("the body is not {expected}")));
    }
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is not {expected}: see line {line}, column {column}");
        ApiError::new(codes::INVALID_REQUEST, detail)
    })
}

/// What stands after the `?`, as `T` has it.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let parsed = Query::<T>::try_from_uri(&parts.uri);
        parsed.map(|Query(parameters)| Self(parameters)).map_err(|rejection| {
            ApiError::new(codes::INVALID_REQUEST, format!("the query string is not understood: {rejection}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use backplane_auth::SecretString;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        #[expect(dead_code, reason = "only whether it is read matters")]
        password: SecretString,
    }

    #[test]
    fn never_repeats_what_was_sent() {
        for body in [r#"{"password":["hunter2"]}"#, r#"{"hunter2":1}"#, r#"{"password":"a","hunter2":""}"#, "hunter2"] {
            let error = parse_json::<Example>(body.as_bytes(), "an example").expect_err("refused");
            assert_eq!(error.code(), "invalid_request");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(parse_json::<Example>(br#" {"password":"a"}"#, "an example").is_ok());
        assert!(parse_json::<Example>(br#"["a"]"#, "an example").is_err());
        assert!(parse_json::<Example>(br#"{"password":"a","password":"b"}"#, "an example").is_err());
    }
}
