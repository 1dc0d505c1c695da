//! What follows `?` in the request's target.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::de::value::{Error, MapDeserializer};

use super::field::Field;
use super::{Call, Extract, ExtractOptional};
use crate::{Problem, Result};

/// The query (`application/x-www-form-urlencoded`) as a struct with a field for each name.
///
/// A field is a value, an `Option`, or a `Vec` for a name that may be repeated (with `#[serde(default)]`, if it may
/// be absent). Names that the struct does not have are ignored. A query that does not fit is answered with 400
/// `invalid_query`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> Extract for Query<T> {
    fn extract(call: &mut Call) -> Result<Self> {
        parse(call.query().unwrap_or_default())
            .map(Query)
            .map_err(|error| Problem::new(400, "invalid_query", format!("the query does not fit: {error}")))
    }
}

impl<T: DeserializeOwned> ExtractOptional for Query<T> {
    fn extract_optional(call: &mut Call) -> Result<Option<Self>> {
        if call.query().is_none() { Ok(None) } else { Self::extract(call).map(Some) }
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Error> {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
    // Stable, so that the values of one name keep their order.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let fields = pairs.chunk_by(|(a, _), (b, _)| a == b).filter_map(|group| {
        let (name, _) = group.first()?;
        Some((name.as_ref(), Field::new(name, group.iter().map(|(_, value)| Cow::Borrowed(value.as_ref())))))
    });
    T::deserialize(MapDeserializer::new(fields))
}
