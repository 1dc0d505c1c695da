//! The answer to a request that made something.

use serde::Serialize;

use super::{Headers, IntoResponse, Json, Status};
use crate::{Response, Result};

/// Something new: 201, the value as JSON, and where to find it.
///
/// ```
/// # use backplane_sdk::prelude::*;
/// # backplane_sdk::testing::set_mount("/orders");
/// let created = Created::new(["an order"]).at(Context.url("/7"));
/// assert_eq!(created.location.as_deref(), Some("/orders/7"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Created<T> {
    /// What was made.
    pub value: T,
    /// The `location` header: a URL, absolute or relative to the request's.
    pub location: Option<String>,
}

impl<T> Created<T> {
    /// Answers with what was made, without saying where it is.
    pub fn new(value: T) -> Self {
        Self { value, location: None }
    }

    /// Says where it is. A path of this plugin's own is [`Context.url(path)`](crate::Context::url).
    #[must_use]
    pub fn at(self, location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), ..self }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Result<Response> {
        let headers: Headers = self.location.map(|location| ("location", location)).into_iter().collect();
        (Status::CREATED, headers, Json(self.value)).into_response()
    }
}
