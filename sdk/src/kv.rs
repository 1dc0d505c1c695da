//! The plugin's own state: ordered keys in buckets.
//!
//! A call is one transaction. Everything that its handler reads is the state at one moment, with the handler's own
//! writes on top; what it writes is committed together when it answers `Ok`, before the response leaves, and is
//! discarded when it answers `Err`, panics or runs out of time. When another call has changed what this one read, the
//! host runs the handler again from its beginning, and nobody sees the first run.
//!
//! ```
//! #[backplane_sdk::plugin]
//! mod orders {
//!     use backplane_sdk::prelude::*;
//!     use serde::{Deserialize, Serialize};
//!
//!     const ORDERS: kv::Bucket = kv::bucket("orders");
//!
//!     #[derive(Deserialize, Serialize)]
//!     struct Order { lines: Vec<String> }
//!
//!     #[put("/{id}", public)]
//!     fn put_order(Path(id): Path<String>, Json(order): Json<Order>) -> Result<NoContent> {
//!         ORDERS.set_json(&id, &order)?;
//!         kv::bucket("statistics").increment("puts", 1)?;
//!         Ok(NoContent)
//!     }
//!
//!     #[get("/{id}", public)]
//!     fn show_order(Path(id): Path<String>) -> Result<Json<Order>> {
//!         ORDERS.get_json(&id)?.map(Json).or_not_found("no such order")
//!     }
//! }
//! # use backplane_sdk::{kv, testing};
//! # let order = std::collections::BTreeMap::from([("lines", ["bread"])]);
//! # assert_eq!(testing::put("/7").json(&order).send::<orders::Plugin>().status(), 204);
//! # assert_eq!(testing::get("/7").send::<orders::Plugin>().text(), r#"{"lines":["bread"]}"#);
//! # assert_eq!(kv::bucket("statistics").get_json("puts"), Ok(Some(1)));
//! ```
//!
//! Every function asks the host. [`Error`] says what can go wrong; `?` makes the right [`Problem`](crate::Problem) of
//! it. Under `cargo test` a keyspace in memory takes the host's place: see [`testing`](crate::testing).

mod error;
mod list;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::Error;
pub use list::{Entry, List, Page};

use crate::host;

/// Most keys that the host reads at once.
const KEYS_MAX: usize = 100;

/// A set of keys of its own order. It is a name and nothing more: made for nothing, and copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket<'a> {
    name: &'a str,
}

/// Names a bucket, which is there as soon as it holds a key.
///
/// A name has 1 to 64 characters of `a-z`, `0-9`, `.`, `_` and `-`, and starts with a letter or a digit. Another name is
/// [`Error::InvalidBucket`] whenever the bucket is used.
pub const fn bucket(name: &str) -> Bucket<'_> {
    Bucket { name }
}

impl<'a> Bucket<'a> {
    /// Returns the bucket's name.
    pub const fn name(self) -> &'a str {
        self.name
    }

    /// Returns the value of a key, `None` when there is none or its time is over.
    ///
    /// # Errors
    /// An [`Error`] other than [`Error::ReadOnly`], as every function that reads.
    pub fn get(self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(host::kv::get(self.name, key)?)
    }

    /// Returns the value of a key as text.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::Unreadable`] when the value is not UTF-8.
    pub fn get_text(self, key: &str) -> Result<Option<String>, Error> {
        self.get(key)?.map(|value| self.read(key, value, list::read_text)).transpose()
    }

    /// Returns the value of a key, read as JSON. The number that [`increment`](Self::increment) counts is JSON too:
    /// `get_json::<i64>("visits")?.unwrap_or(0)`.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::Unreadable`] when the value does not fit `T`.
    pub fn get_json<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, Error> {
        self.get(key)?.map(|value| self.read(key, value, list::read_json)).transpose()
    }

    /// Returns the values of some keys in the order of `keys`, which may hold a key twice. The host is asked for a hundred
    /// at a time.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::TransactionTooLarge`] when a hundred of them have more than 8 MiB.
    pub fn get_many<K: AsRef<str>>(self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            let keys: Vec<String> = keys.iter().map(|key| key.as_ref().to_owned()).collect();
            values.extend(host::kv::get_many(self.name, &keys)?);
        }
        Ok(values)
    }

    /// Returns the values of some keys, read as JSON. As [`get_many`](Self::get_many) otherwise.
    ///
    /// # Errors
    /// As [`get_json`](Self::get_json).
    pub fn get_many_json<T: DeserializeOwned>(self, keys: &[impl AsRef<str>]) -> Result<Vec<Option<T>>, Error> {
        let values = self.get_many(keys)?.into_iter().zip(keys);
        values
            .map(|(value, key)| value.map(|value| self.read(key.as_ref(), value, list::read_json)).transpose())
            .collect()
    }

    /// Sets a key to bytes, whether it exists or not. It stays until it is deleted, also when it had an end before.
    /// Reads nothing, and so never conflicts.
    ///
    /// # Errors
    /// An [`Error`] other than [`Error::Unavailable`], as every function that writes.
    pub fn set(self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        Ok(host::kv::set(self.name, key, value.as_ref(), None)?)
    }

    /// Sets a key to text. As [`set`](Self::set) otherwise.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_text(self, key: &str, text: &str) -> Result<(), Error> {
        self.set(key, text)
    }

    /// Sets a key to a value's JSON. As [`set`](Self::set) otherwise.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`Error::Unwritable`] when the value has no JSON form.
    pub fn set_json<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<(), Error> {
        self.set(key, self.write(key, value)?)
    }

    /// Sets a key for a time, counted from the call's own and rounded up to whole milliseconds: then it is gone.
    /// No time at all is as good as [`delete`](Self::delete).
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_for(self, key: &str, value: impl AsRef<[u8]>, time: Duration) -> Result<(), Error> {
        let ttl_ms = time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX);
        Ok(host::kv::set(self.name, key, value.as_ref(), Some(ttl_ms))?)
    }

    /// Sets a key to a value's JSON for a time. As [`set_for`](Self::set_for) otherwise.
    ///
    /// # Errors
    /// As [`set_json`](Self::set_json).
    pub fn set_json_for<T: Serialize + ?Sized>(self, key: &str, value: &T, time: Duration) -> Result<(), Error> {
        self.set_for(key, self.write(key, value)?, time)
    }

    /// Deletes a key if it exists. Reads nothing, and so never conflicts.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn delete(self, key: &str) -> Result<(), Error> {
        Ok(host::kv::delete(self.name, key)?)
    }

    /// Adds to the integer that a key holds as decimal text, 0 when there is none. What time it has stays.
    ///
    /// It returns nothing, and so reads nothing: calls that count with one key never conflict. Reading the sum is
    /// reading. A stored value that is not an integer, or a sum beyond 64 bits, may be found only when the call commits:
    /// it then ends as a failure of the plugin.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`Error::NotAnInteger`] when that is known already.
    pub fn increment(self, key: &str, by: i64) -> Result<(), Error> {
        Ok(host::kv::increment(self.name, key, by)?)
    }

    /// Lists the keys and values in the order of the keys' bytes.
    ///
    /// Nothing is read before the first entry is asked for. See [`List`].
    pub fn list(self) -> List<'a> {
        List::new(self)
    }

    /// Reads what a key holds, or says in which key what else is.
    fn read<T>(self, key: &str, value: Vec<u8>, read: fn(Vec<u8>) -> Result<T, String>) -> Result<T, Error> {
        read(value).map_err(|fault| Error::Unreadable(format!("`{key}` in bucket `{}` is {fault}", self.name)))
    }

    fn write<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(value).map_err(|fault| {
            Error::Unwritable(format!("the value for `{key}` in bucket `{}` has no JSON form: {fault}", self.name))
        })
    }
}
