//! Bodies: JSON, text, HTML, bytes and none.

use serde::Serialize;

use super::IntoResponse;
use crate::{Response, Result};

/// JSON: as a result 200 `application/json`, as an argument the request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Text: as a result 200 `text/plain; charset=utf-8`, as an argument the request's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

/// Bytes: as a result 200 `application/octet-stream`, as an argument the request's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A page: 200 `text/html; charset=utf-8`. Escaping what came from outside is up to the plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(pub String);

/// Nothing more to say: 204 without a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoContent;

/// Makes a response of status 200 with a body.
fn ok(content_type: &str, body: Vec<u8>) -> Result<Response> {
    Ok(Response { status: 200, headers: vec![("content-type".into(), content_type.into())], body })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response> {
        ok("application/json", serde_json::to_vec(&self.0)?)
    }
}

impl IntoResponse for Text {
    fn into_response(self) -> Result<Response> {
        self.0.into_response()
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Result<Response> {
        ok("text/plain; charset=utf-8", self.into_bytes())
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Result<Response> {
        self.to_owned().into_response()
    }
}

impl IntoResponse for Html {
    fn into_response(self) -> Result<Response> {
        ok("text/html; charset=utf-8", self.0.into_bytes())
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Result<Response> {
        ok("application/octet-stream", self.0)
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Result<Response> {
        Ok(Response { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}
