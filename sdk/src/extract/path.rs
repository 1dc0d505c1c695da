//! The `{parameters}` of the route's path.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Visitor};
use serde::forward_to_deserialize_any;

use super::field::Field;
use super::{Call, Extract};
use crate::{Problem, Result};

/// The parameters of the path: one value, a tuple in the path's order, or a struct by name.
///
/// A value that does not fit is answered with 400 `invalid_path`.
///
/// ```
/// #[backplane_sdk::plugin]
/// mod shop {
///     use backplane_sdk::prelude::*;
///
///     #[get("/orders/{id}", public)]
///     fn show_order(Path(id): Path<u64>) -> String {
///         format!("order {id}")
///     }
///
///     #[get("/orders/{id}/lines/{line}", public)]
///     fn show_line(Path((id, line)): Path<(u64, u16)>) -> String {
///         format!("order {id}, line {line}")
///     }
/// }
/// # use backplane_sdk::testing;
/// # assert_eq!(testing::get("/orders/7/lines/2").send::<shop::Plugin>().text(), "order 7, line 2");
/// # assert_eq!(testing::get("/orders/x").send::<shop::Plugin>().status(), 400);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T> From<T> for Path<T> {
    fn from(value: T) -> Self {
        Path(value)
    }
}

impl<T: DeserializeOwned> Extract for Path<T> {
    fn extract(call: &mut Call) -> Result<Self> {
        let (names, values) = call.take_params();
        T::deserialize(Params { names, values })
            .map(Path)
            .map_err(|error| Problem::new(400, "invalid_path", format!("the path does not fit: {error}")))
    }
}

/// The parameters as a serde value.
struct Params {
    names: &'static [&'static str],
    values: Vec<String>,
}

impl Params {
    fn fields<'de>(self) -> impl Iterator<Item = (&'static str, Field<'de>)>
    where
        'static: 'de,
    {
        self.names.iter().zip(self.values).map(|(name, value)| (*name, Field::new(name, [Cow::Owned(value)])))
    }

    fn single<'de>(self) -> Result<Field<'de>, Error> {
        let count = self.values.len();
        match self.fields().next() {
            Some((_, field)) if count == 1 => Ok(field),
            _ => Err(de::Error::custom(format_args!("the route has {count} parameters where one is read"))),
        }
    }

    fn sequence<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.fields().map(|(_, field)| field)))
    }
}

macro_rules! read_single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Params {
    type Error = Error;

    read_single! {
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i128 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(MapDeserializer::new(self.fields()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! { bytes byte_buf option unit unit_struct identifier ignored_any }
}
