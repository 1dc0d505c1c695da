//! One named piece of text, or several under one name, as a serde value.
//!
//! Paths, queries and headers all hold text where a handler wants numbers, flags, enums and lists. This is the one
//! place that turns the first into the second. A `Vec` takes every value, an `Option` may find none, and everything
//! else wants exactly one.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::value::{Error, SeqDeserializer};
use serde::de::{self, IntoDeserializer, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

/// The values that a request gives under one name.
pub(super) struct Field<'a> {
    name: &'a str,
    first: Option<Cow<'a, str>>,
    more: Vec<Cow<'a, str>>,
}

impl<'a> Field<'a> {
    pub(super) fn new(name: &'a str, values: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        let mut values = values.into_iter();
        Self { name, first: values.next(), more: values.collect() }
    }

    fn single(self) -> Result<Cow<'a, str>, Error> {
        match self.first {
            Some(value) if self.more.is_empty() => Ok(value),
            Some(_) => Err(fault(self.name, "given more than once")),
            None => Err(fault(self.name, "missing")),
        }
    }

    fn parse<T: FromStr<Err: Display>>(self) -> Result<T, Error> {
        let name = self.name;
        self.single()?.parse().map_err(|error| fault(name, error))
    }
}

fn fault(name: &str, fault: impl Display) -> Error {
    de::Error::custom(format_args!("`{name}`: {fault}"))
}

macro_rules! parse_numbers {
    ($($method:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let name = self.name;
        let outcome = match self.single()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        };
        outcome.map_err(|error: Error| fault(name, error))
    }

    parse_numbers! {
        deserialize_bool visit_bool, deserialize_char visit_char,
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32, deserialize_i64 visit_i64,
        deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64,
        deserialize_i128 visit_i128, deserialize_u128 visit_u128,
        deserialize_f32 visit_f32, deserialize_f64 visit_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.first.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let name = self.name;
        let values = self.first.into_iter().chain(self.more);
        visitor.visit_seq(SeqDeserializer::new(values.map(|value| Field::new(name, [value]))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = self.name;
        visitor.visit_enum(self.single()?.into_deserializer()).map_err(|error: Error| fault(name, error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(fault(self.name, "text where a struct is read"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct tuple tuple_struct map identifier
    }
}

impl<'de> IntoDeserializer<'de, Error> for Field<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
