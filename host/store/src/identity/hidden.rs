//! What a row holds in the place of a secret. Whoever prints one sees that there is one, and nothing of it.

use std::fmt;

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    serialize::{self, Output, ToSql},
    sql_types::{Binary, Text},
    sqlite::Sqlite,
};

/// A hashed password, as a PHC string.
#[derive(Clone, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct PasswordHash(pub String);

/// SHA-256 of a secret with so many random bits that nobody guesses it.
#[derive(Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct Digest(pub [u8; 32]);

/// A private key, encrypted.
#[derive(Clone, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct WrappedKey(pub Vec<u8>);

macro_rules! hidden {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}

hidden!(PasswordHash, Digest, WrappedKey);

impl ToSql<Text, Sqlite> for PasswordHash {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        <str as ToSql<Text, Sqlite>>::to_sql(&self.0, out)
    }
}

impl FromSql<Text, Sqlite> for PasswordHash {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Sqlite>>::from_sql(value).map(Self)
    }
}

impl ToSql<Binary, Sqlite> for Digest {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        <[u8] as ToSql<Binary, Sqlite>>::to_sql(&self.0, out)
    }
}

impl FromSql<Binary, Sqlite> for Digest {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
        // The bytes are not part of the message.
        let bytes = bytes.try_into().map_err(|_bytes| "a digest in the database does not have 32 bytes")?;
        Ok(Self(bytes))
    }
}

impl ToSql<Binary, Sqlite> for WrappedKey {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        <[u8] as ToSql<Binary, Sqlite>>::to_sql(&self.0, out)
    }
}

impl FromSql<Binary, Sqlite> for WrappedKey {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value).map(Self)
    }
}
