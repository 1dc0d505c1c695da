//! What a client is told when a request fails: `application/problem+json` (RFC 9457).
//!
//! An [`ApiError`] has two sides. Its code, detail and headers are for the client; its source is for the log and
//! never leaves the process. A handler returns it like any other response: the body is written by the outermost
//! layer, which knows the request's id, so that an answer without an error pays nothing for this.
//!
//! This module does not know which layer failed or why; it knows the codes ([`codes`]) and the format.

pub mod codes;

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;

use self::codes::Code;

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// Media type of a problem document.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that failed, as the client and the log see it.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: Cow<'static, str>,
    title: &'static str,
    /// Whether the code is one of [`codes`], and not one that a plugin chose.
    listed: bool,
    detail: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The document as it is sent.
#[derive(Serialize)]
struct Document<'a> {
    r#type: Cow<'static, str>,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
}

impl ApiError {
    /// Makes an error with one of the host's codes. The detail is a sentence for the client.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: code.status,
            code: Cow::Borrowed(code.name),
            title: code.title,
            listed: true,
            detail: detail.into(),
            source: None,
            headers: Vec::new(),
        }
    }

    /// Makes the error that a plugin answered with. A status outside 400..=599 becomes 500.
    pub fn from_plugin(status: u16, code: String, message: String) -> Self {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            code: code.into(),
            title: status.canonical_reason().unwrap_or("Error"),
            listed: false,
            detail: message.into(),
            source: None,
            headers: Vec::new(),
        }
    }

    /// Makes a 404 for a path that nothing answers.
    pub fn not_found() -> Self {
        Self::new(codes::NOT_FOUND, "nothing answers at this path")
    }

    /// Makes a 405. `allow` lists the methods that the path does answer, as in `GET, POST`.
    pub fn method_not_allowed(allow: &str) -> Self {
        let error = Self::new(codes::METHOD_NOT_ALLOWED, format!("this path answers {allow}"));
        match HeaderValue::from_str(allow) {
            Ok(value) => error.with_header(ALLOW, value),
            Err(_) => error,
        }
    }

    /// Makes a 413 that names the longest accepted body.
    pub fn payload_too_large(bytes_max: usize) -> Self {
        Self::new(codes::PAYLOAD_TOO_LARGE, format!("the body may have at most {bytes_max} bytes"))
    }

    /// Makes a 500 that tells the client nothing and the log everything.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(codes::INTERNAL, "the server failed; its log has the reason under this request id")
            .with_source(source)
    }

    /// Keeps the reason for the log.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says when to try again, in whole seconds, rounded up, at least one.
    pub fn with_retry_after(self, delay: Duration) -> Self {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Adds a header to the response.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the code that a client can act on.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the sentence for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns when to try again, where that is said.
    pub fn retry_after(&self) -> Option<Duration> {
        let (_, value) = self.headers.iter().find(|(name, _)| *name == RETRY_AFTER)?;
        Some(Duration::from_secs(value.to_str().ok()?.parse().ok()?))
    }

    /// Returns the document as JSON.
    fn document(&self, request_id: &str) -> Vec<u8> {
        let document = Document {
            r#type: if self.listed {
                format!("urn:backplane:problem:{}", self.code).into()
            } else {
                "about:blank".into()
            },
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: &self.code,
            request_id,
        };
        serde_json::to_vec(&document).expect("a struct of strings and a number is always JSON")
    }

    /// Writes the reason to the log, if there is one.
    pub(crate) fn log(&self, request_id: &str) {
        let Some(source) = &self.source else { return };
        let (code, status, error) = (self.code(), self.status.as_u16(), Chain(source.as_ref()).to_string());
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR if self.code == codes::INTERNAL.name => {
                tracing::error!(request_id, status, code, error, "request failed");
            }
            status_code if status_code.is_server_error() => {
                tracing::warn!(request_id, status, code, error, "request failed");
            }
            _ => tracing::debug!(request_id, status, code, error, "request refused"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl IntoResponse for ApiError {
    /// Makes a response without a body; [`finish`] writes it.
    fn into_response(mut self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.headers_mut().extend(std::mem::take(&mut self.headers));
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Says in the body of a refusal too which methods a path answers: a router puts them into `allow` alone.
pub fn name_methods(response: Response) -> Response {
    let allow = response.headers().get(ALLOW).filter(|_| response.status() == StatusCode::METHOD_NOT_ALLOWED);
    let Some(allow) = allow.and_then(|allow| allow.to_str().ok()) else { return response };
    let methods: Vec<_> = allow.split(',').map(str::trim).collect();
    ApiError::method_not_allowed(&methods.join(", ")).into_response()
}

/// Writes the body of a failed request's response and logs the reason, once. Leaves every other response alone.
///
/// Called by the layer that knows the request's id.
pub fn finish(response: &mut Response, request_id: &str) {
    if response.extensions().is_empty() {
        return;
    }
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        error.log(request_id);
        *response.body_mut() = Body::from(error.document(request_id));
        // A router below may have measured the body that is replaced here.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
}

/// An error and all its sources in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    async fn sent(error: ApiError) -> (Response<()>, Value) {
        let mut response = error.into_response();
        finish(&mut response, "r-1");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body in memory has no error").to_bytes();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).expect("the body is JSON"))
    }

    #[tokio::test]
    async fn sends_the_document_and_never_the_source() {
        let (response, document) = sent(ApiError::internal("password is hunter2")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            document,
            json!({
                "type": "urn:backplane:problem:internal", "title": "Internal server error", "status": 500, "code": "internal",
                "detail": "the server failed; its log has the reason under this request id", "request_id": "r-1",
            })
        );
    }

    #[tokio::test]
    async fn sends_allow_and_retry_after() {
        let (response, _) = sent(ApiError::method_not_allowed("GET, POST")).await;
        assert_eq!(response.headers()[ALLOW], "GET, POST");
        let busy = ApiError::new(codes::PLUGIN_BUSY, "busy").with_retry_after(Duration::from_millis(1100));
        let (response, _) = sent(busy).await;
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[tokio::test]
    async fn names_the_methods_that_only_the_header_names() {
        let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        let mut response = name_methods(response);
        finish(&mut response, "r-1");
        assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        let body = response.into_body().collect().await.expect("in memory").to_bytes();
        let document: Value = serde_json::from_slice(&body).expect("the body is JSON");
        assert_eq!(document["detail"], "this path answers GET, HEAD");
        assert_eq!(name_methods("hello".into_response()).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn passes_a_plugins_own_code_on_but_not_a_success_status() {
        let (response, document) = sent(ApiError::from_plugin(409, "taken".into(), "the name is taken".into())).await;
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!((&document["type"], &document["code"]), (&json!("about:blank"), &json!("taken")));
        assert_eq!(
            ApiError::from_plugin(200, String::new(), String::new()).status(),
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }

    #[tokio::test]
    async fn forgets_the_length_of_the_body_that_it_replaces() {
        let mut response = ApiError::not_found().into_response();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        finish(&mut response, "r-1");
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
    }

    #[tokio::test]
    async fn leaves_other_responses_alone() {
        let mut response = "hello".into_response();
        response.extensions_mut().insert(1_u8);
        finish(&mut response, "r-1");
        assert_eq!(response.into_body().collect().await.expect("in memory").to_bytes(), "hello");
    }
}
