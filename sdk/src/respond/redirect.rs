//! Sending the client elsewhere.

use super::IntoResponse;
use crate::{Response, Result};

/// A redirect to another URL, absolute or relative to the request's. A path of this plugin's own is
/// [`Context.url(path)`](crate::Context::url).
///
/// A target that came from outside sends your callers wherever its author likes: check it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: u16,
    location: String,
}

impl Redirect {
    /// 303: the answer is there; the client gets it with `GET`. What usually follows a `POST` from a form.
    pub fn see_other(location: impl Into<String>) -> Self {
        Self { status: 303, location: location.into() }
    }

    /// 307: the same request, there, this time.
    pub fn temporary(location: impl Into<String>) -> Self {
        Self { status: 307, location: location.into() }
    }

    /// 308: the same request, there, from now on. Clients remember it.
    pub fn permanent(location: impl Into<String>) -> Self {
        Self { status: 308, location: location.into() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Result<Response> {
        Ok(Response { status: self.status, headers: vec![("location".into(), self.location)], body: Vec::new() })
    }
}
