//! What a handler may return.
//!
//! | Result | Response |
//! |---|---|
//! | [`Json<T>`](Json) | 200, `application/json` |
//! | [`Created<T>`](Created) | 201, JSON, with an optional `location` |
//! | [`Text`], `String`, `&'static str` | 200, `text/plain; charset=utf-8` |
//! | [`Html`] | 200, `text/html; charset=utf-8` |
//! | [`Bytes`] | 200, `application/octet-stream` |
//! | [`NoContent`] | 204 |
//! | [`Redirect`] | 303, 307 or 308 |
//! | `(Status, T)`, `(Headers, T)`, `(Status, Headers, T)` | `T` with another status or more headers |
//! | [`Result<T>`](crate::Result) | `T`, or the [`Problem`] |
//! | [`Response`] | itself |
//!
//! A type of your own becomes a result by implementing [`IntoResponse`].

mod body;
mod created;
mod headers;
mod redirect;
mod status;

pub use body::{Bytes, Html, Json, NoContent, Text};
pub use created::Created;
pub use headers::Headers;
pub use redirect::Redirect;
pub use status::Status;

use crate::{Problem, Response, Result};

/// A type that a handler returns.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not something that can be made into a response",
    note = "return `Json<T>`, `Created<T>`, `Text`, `String`, `Html`, `Bytes`, `NoContent`, `Redirect`, one of them with a `Status` or `Headers`,",
    note = "a `Result` of one of them, or implement `backplane_sdk::IntoResponse` for it"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// # Errors
    /// The problem that answers the request instead; it rolls the request's transaction back.
    fn into_response(self) -> Result<Response>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response> {
        Ok(self)
    }
}

impl<T: IntoResponse, E: Into<Problem>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response> {
        self.map_err(Into::into)?.into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Result<Response> {
        Err(self)
    }
}

impl<T: IntoResponse> IntoResponse for (Status, T) {
    fn into_response(self) -> Result<Response> {
        let (status, inner) = self;
        Ok(Response { status: status.code(), ..inner.into_response()? })
    }
}

impl<T: IntoResponse> IntoResponse for (Headers, T) {
    fn into_response(self) -> Result<Response> {
        let (headers, inner) = self;
        let mut response = inner.into_response()?;
        headers.replace_in(&mut response.headers);
        Ok(response)
    }
}

impl<T: IntoResponse> IntoResponse for (Status, Headers, T) {
    fn into_response(self) -> Result<Response> {
        let (status, headers, inner) = self;
        (status, (headers, inner)).into_response()
    }
}
