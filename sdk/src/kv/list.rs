//! Going through the keys of a bucket: one by one, or a page at a time.

use std::iter::FusedIterator;
use std::vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bucket, Error};
use crate::bindings::http::backplane::plugin::kv as wire;
use crate::host;

/// Entries of a page when nobody says, and of an iterator's first fetch: what is listed is read, and a short range
/// conflicts with fewer other calls.
const ENTRIES_DEFAULT: usize = 100;

/// Most entries that the host returns at once, and of an iterator's further fetches.
const ENTRIES_MAX: usize = 1000;

/// A key and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry<T = Vec<u8>> {
    /// The whole key, its prefix included.
    pub key: String,
    /// The value.
    pub value: T,
}

/// A part of a listing, and where the next one begins. As JSON: `{"items":[...],"next":"..."}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page<I> {
    /// In the order of the list.
    pub items: Vec<I>,
    /// What [`List::after`] takes to go on; `None` when nothing is left.
    pub next: Option<String>,
}

impl<I> Page<I> {
    /// Makes other items of the items.
    pub fn map<J>(self, change: impl FnMut(I) -> J) -> Page<J> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// Keys and values in the order of the keys' bytes: an iterator that asks the host for more when it needs it.
///
/// ```
/// # use backplane_sdk::prelude::*;
/// # fn open_orders() -> Result<Vec<serde_json::Value>> {
/// let mut found = Vec::new();
/// for entry in kv::bucket("orders").list().prefix("open/").descending().limit(20).json() {
///     found.push(entry?.value);
/// }
/// # Ok(found) }
/// # assert!(open_orders().unwrap().is_empty());
/// ```
///
/// Or a page for a client, who brings back where it ended:
///
/// ```
/// # use backplane_sdk::prelude::*;
/// # fn list_orders(after: Option<String>) -> Result<Json<kv::Page<serde_json::Value>>> {
/// let page = kv::bucket("orders").list().after(after).limit(50).json().page()?;
/// Ok(Json(page.map(|entry| entry.value)))
/// # }
/// # assert_eq!(list_orders(None).unwrap().0, kv::Page::default());
/// ```
///
/// What was listed is read: in a call that writes, a key that another call adds to the listed range is a conflict. So
/// list no more than the handler needs.
#[derive(Clone, Debug)]
#[must_use = "nothing is listed until an entry or a page is asked for"]
pub struct List<'a, T = Vec<u8>> {
    bucket: Bucket<'a>,
    prefix: String,
    after: Option<String>,
    order: wire::Order,
    /// Entries that may still be returned; `None` for all.
    left: Option<usize>,
    /// Entries to fetch at once.
    fetch_max: usize,
    fetched: vec::IntoIter<wire::Entry>,
    is_more: bool,
    read: fn(Vec<u8>) -> Result<T, String>,
}

impl<'a> List<'a> {
    pub(super) fn new(bucket: Bucket<'a>) -> Self {
        Self {
            bucket,
            prefix: String::new(),
            after: None,
            order: wire::Order::Ascending,
            left: None,
            fetch_max: ENTRIES_DEFAULT,
            fetched: Vec::new().into_iter(),
            is_more: true,
            read: Ok,
        }
    }
}

impl<'a, T> List<'a, T> {
    /// Lists only keys that start with this.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Lists only what comes after this key in the list's direction. The key need not exist.
    pub fn after(self, key: impl Into<Option<String>>) -> Self {
        Self { after: key.into(), ..self }
    }

    /// Lists from the last key to the first.
    pub fn descending(self) -> Self {
        Self { order: wire::Order::Descending, ..self }
    }

    /// Lists at most so many entries. A page has 100 unless this says otherwise, and never more than 1000.
    pub fn limit(self, entries: usize) -> Self {
        Self { left: Some(entries), ..self }
    }

    /// Reads the values as JSON.
    pub fn json<U: DeserializeOwned>(self) -> List<'a, U> {
        self.with(read_json)
    }

    /// Reads the values as text.
    pub fn text(self) -> List<'a, String> {
        self.with(read_text)
    }

    fn with<U>(self, read: fn(Vec<u8>) -> Result<U, String>) -> List<'a, U> {
        let Self { bucket, prefix, after, order, left, fetch_max, fetched, is_more, read: _ } = self;
        List { bucket, prefix, after, order, left, fetch_max, fetched, is_more, read }
    }

    /// Takes one page, with at most one call of the host.
    ///
    /// Where there is an entry the page has one, whatever the limit. It has at most 1000 entries and ends after about
    /// 1 MiB: `next` says whether there is more, not the number of items.
    ///
    /// # Errors
    /// As [`Bucket::get_json`].
    pub fn page(mut self) -> Result<Page<Entry<T>>, Error> {
        // What an iteration has fetched and not returned comes first.
        if self.fetched.as_slice().is_empty() && self.is_more {
            self.fetch(self.left.unwrap_or(ENTRIES_DEFAULT))?;
        }
        let next = if self.is_more { self.after.take() } else { None };
        let items = std::mem::take(&mut self.fetched).map(|entry| self.entry(entry)).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// Fetches the entries after the last one.
    fn fetch(&mut self, entries: usize) -> Result<(), Error> {
        let limit = u32::try_from(entries.min(ENTRIES_MAX)).unwrap_or(u32::MAX);
        let page = host::kv::list(self.bucket.name, &self.prefix, self.after.as_deref(), limit, self.order)?;
        self.is_more = page.more;
        if let Some(last) = page.entries.last() {
            self.after = Some(last.key.clone());
        }
        self.fetched = page.entries.into_iter();
        Ok(())
    }

    fn entry(&self, entry: wire::Entry) -> Result<Entry<T>, Error> {
        let value = self.bucket.read(&entry.key, entry.value, self.read)?;
        Ok(Entry { key: entry.key, value })
    }
}

/// After an error there is nothing more.
impl<T> Iterator for List<'_, T> {
    type Item = Result<Entry<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == Some(0) {
            return None;
        }
        if self.fetched.as_slice().is_empty() && self.is_more {
            let entries = self.left.map_or(self.fetch_max, |left| left.min(self.fetch_max));
            self.fetch_max = ENTRIES_MAX;
            if let Err(error) = self.fetch(entries) {
                self.is_more = false;
                return Some(Err(error));
            }
        }
        let entry = self.fetched.next()?;
        self.left = self.left.map(|left| left - 1);
        let entry = self.entry(entry);
        if entry.is_err() {
            (self.is_more, self.left) = (false, Some(0));
        }
        Some(entry)
    }
}

impl<T> FusedIterator for List<'_, T> {}

pub(super) fn read_text(value: Vec<u8>) -> Result<String, String> {
    String::from_utf8(value).map_err(|fault| format!("not text: {}", fault.utf8_error()))
}

#[expect(clippy::needless_pass_by_value, reason = "one signature for every way to read a value")]
pub(super) fn read_json<T: DeserializeOwned>(value: Vec<u8>) -> Result<T, String> {
    serde_json::from_slice(&value).map_err(|fault| format!("not the JSON that was asked for: {fault}"))
}
