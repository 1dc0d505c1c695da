//! One request header as a typed argument.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::field::Field;
use super::{Call, Extract};
use crate::respond::Headers;
use crate::{Problem, Result};

/// Reads a header into `T`: a value, an `Option`, or a `Vec` of its lines. 400 `invalid_header` when it does not fit.
pub(crate) fn header<T: DeserializeOwned>(call: &Call, name: &str) -> Result<T> {
    let lines = call.headers().iter().filter(|(candidate, _)| candidate == name);
    T::deserialize(Field::new(name, lines.map(|(_, value)| Cow::Borrowed(value.as_str()))))
        .map_err(|error| Problem::new(400, "invalid_header", format!("a header does not fit: {error}")))
}

/// Every header that the route asks for.
impl Extract for Headers {
    fn extract(call: &mut Call) -> Result<Self> {
        Ok(call.headers().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
    }
}
