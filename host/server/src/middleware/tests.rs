//! The layers together.

use std::convert::Infallible;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::{ServiceExt, service_fn};

use super::{edge, request_id::RequestId};
use crate::{config::AccessLog, problem::ApiError};

/// Sends a request through the layers to a service that fails in the way its path names.
async fn call(path: &str, id: Option<&str>) -> (Response<()>, String) {
    let router = service_fn(|request: Request<Body>| {
        assert_ne!(request.uri().path(), "/panic-early", "on purpose");
        async move {
            assert_ne!(request.uri().path(), "/panic", "on purpose");
            let id = *request.extensions().get::<RequestId>().expect("the request has an id");
            let response = match request.uri().path() {
                "/missing" => ApiError::not_found().into_response(),
                _ => id.to_string().into_response(),
            };
            Ok::<_, Infallible>(response)
        }
    });
    let mut request = Request::get(path);
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    let request = request.body(Body::empty()).expect("a request");
    let Ok(response) = edge(router, AccessLog::All).oneshot(request).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body in memory has no error").to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_response_names_its_request() {
    let (response, body) = call("/", None).await;
    assert_eq!(response.headers()["x-request-id"], body.as_str());
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let (response, body) = call("/", Some("mine-1")).await;
    assert_eq!(response.headers()["x-request-id"], "mine-1");
    assert_eq!(body, "mine-1");
}

#[tokio::test]
async fn a_problem_names_its_request() {
    let (response, body) = call("/missing", Some("mine-2")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["request_id"], "mine-2");
}

#[tokio::test]
async fn a_panic_is_a_problem_that_does_not_say_why() {
    for path in ["/panic", "/panic-early"] {
        let (response, body) = call(path, None).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(body.contains("\"internal\"") && !body.contains("purpose"), "{body}");
    }
}
