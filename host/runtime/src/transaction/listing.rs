//! Lists a range: the rows of the snapshot, and over them what the run itself has written.

use std::{iter::Peekable, vec};

use crate::{
    bindings::backplane::plugin::kv::Error,
    keyspace::{Change, KeyRange, Order, Row, Rows, Snapshot, StateUnavailable},
    transaction::{Stop, integer, writes::Writes},
};

/// Most entries of a page.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of keys and values after which a page ends.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A key and what it holds, or why that cannot be told.
type Entry = (Vec<u8>, Result<Vec<u8>, Error>);

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
    pub(crate) order: Order,
}

/// A part of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) entries: Vec<(String, Vec<u8>)>,
    pub(crate) more: bool,
}

/// What a page was made of. A page that is refused was looked at all the same.
pub(super) struct Listed {
    pub(super) page: Result<Page, Error>,
    /// As far as was looked at.
    pub(super) range: KeyRange,
    /// Rows of the snapshot in it.
    pub(super) count: u64,
    /// The highest version among them.
    pub(super) newest: i64,
}

/// Reads one page of `range`. What tells whether there is more, or why there is no page, is looked at, and so belongs to
/// what was listed.
pub(super) fn list(
    snapshot: &mut dyn Snapshot,
    writes: &Writes,
    listing: &Listing,
    range: KeyRange,
) -> Result<Listed, Stop> {
    let limit = usize::try_from(listing.limit).unwrap_or(ENTRIES_MAX).clamp(1, ENTRIES_MAX);
    let order = listing.order;
    let base = BaseRows::new(snapshot, &listing.bucket, range.clone(), order, limit + 1);
    let own = writes.range(&listing.bucket, &range);
    let mut listed = Listed { page: Ok(Page::default()), range, count: 0, newest: 0 };
    let end = match order {
        Order::Ascending => Merge { base, own: own.peekable(), listed: &mut listed }.page(limit),
        Order::Descending => Merge { base, own: own.rev().peekable(), listed: &mut listed }.page(limit),
    };
    if let Some(end) = end? {
        listed.range = listed.range.up_to(end, order);
    }
    Ok(listed)
}

/// Two sequences in one order become one.
struct Merge<'a, I: Iterator<Item = (&'a Vec<u8>, &'a Change)>> {
    base: BaseRows<'a>,
    own: Peekable<I>,
    /// Counts what is taken from `base`, and gets the page.
    listed: &'a mut Listed,
}

/// Which of the two comes next.
enum Next {
    Base,
    Own,
    Both,
}

impl<'a, I: Iterator<Item = (&'a Vec<u8>, &'a Change)>> Merge<'a, I> {
    /// Takes the first entries for the page, or notes why there is none. Returns the key of the first that is not in it.
    fn page(mut self, limit: usize) -> Result<Option<Vec<u8>>, Stop> {
        let mut page = Page::default();
        let mut bytes = 0;
        while let Some((key, value)) = self.next()? {
            let value = match value {
                _ if page.entries.len() == limit => Vec::new(),
                Ok(value) => value,
                Err(error) => {
                    self.listed.page = Err(error);
                    return Ok(Some(key));
                }
            };
            bytes += key.len() + value.len();
            if page.entries.len() == limit || !page.entries.is_empty() && bytes > PAGE_BYTES_MAX {
                page.more = true;
                self.listed.page = Ok(page);
                return Ok(Some(key));
            }
            self.base.fetch_bytes_max = PAGE_BYTES_MAX.saturating_sub(bytes);
            let key = String::from_utf8(key).map_err(|error| Stop::Failed(StateUnavailable(error.into())))?;
            page.entries.push((key, value));
        }
        self.listed.page = Ok(page);
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<Entry>, Stop> {
        loop {
            let order = self.base.order;
            let next = match (self.base.peek()?, self.own.peek()) {
                (None, None) => return Ok(None),
                (Some(_), None) => Next::Base,
                (None, Some(_)) => Next::Own,
                (Some(base), Some((own, _))) => match order.compare(base, own) {
                    std::cmp::Ordering::Less => Next::Base,
                    std::cmp::Ordering::Greater => Next::Own,
                    std::cmp::Ordering::Equal => Next::Both,
                },
            };
            let base = if matches!(next, Next::Own) { None } else { self.take_base() };
            let own = if matches!(next, Next::Base) { None } else { self.own.next() };
            if let Some(entry) = join(base, own) {
                return Ok(Some(entry));
            }
        }
    }

    fn take_base(&mut self) -> Option<(Vec<u8>, Row)> {
        let (key, row) = self.base.next()?;
        self.listed.count += 1;
        self.listed.newest = self.listed.newest.max(row.version);
        Some((key, row))
    }
}

/// Returns what one key holds, when it holds something.
fn join(base: Option<(Vec<u8>, Row)>, own: Option<(&Vec<u8>, &Change)>) -> Option<Entry> {
    match (base, own) {
        (base, None) => base.map(|(key, row)| (key, Ok(row.value))),
        (_, Some((_, Change::Delete))) => None,
        (_, Some((key, Change::Set { value, .. }))) => Some((key.clone(), Ok(value.clone()))),
        (base, Some((key, Change::Increment { by }))) => {
            let before = base.as_ref().map(|(_, row)| row.value.as_slice());
            Some((key.clone(), integer::add(before, *by)))
        }
    }
}

/// The rows of the snapshot in a range, fetched as they are needed.
struct BaseRows<'a> {
    snapshot: &'a mut dyn Snapshot,
    bucket: &'a str,
    order: Order,
    fetched: vec::IntoIter<(Vec<u8>, Row)>,
    /// What is not fetched yet.
    rest: Option<KeyRange>,
    /// How many rows the next fetch asks for.
    fetch_max: usize,
    /// How many bytes of rows it asks for.
    fetch_bytes_max: usize,
}

impl<'a> BaseRows<'a> {
    fn new(snapshot: &'a mut dyn Snapshot, bucket: &'a str, range: KeyRange, order: Order, fetch_max: usize) -> Self {
        let fetched = Vec::new().into_iter();
        Self { snapshot, bucket, order, fetched, rest: Some(range), fetch_max, fetch_bytes_max: PAGE_BYTES_MAX }
    }

    fn peek(&mut self) -> Result<Option<&[u8]>, Stop> {
        if self.fetched.as_slice().is_empty()
            && let Some(range) = self.rest.take()
        {
            self.fetch(range)?;
        }
        Ok(self.fetched.as_slice().first().map(|(key, _)| key.as_slice()))
    }

    fn next(&mut self) -> Option<(Vec<u8>, Row)> {
        self.fetched.next()
    }

    fn fetch(&mut self, range: KeyRange) -> Result<(), Stop> {
        let Rows { rows, more } = self
            .snapshot
            .list(self.bucket, &range, self.order, self.fetch_max, self.fetch_bytes_max)
            .map_err(Stop::Failed)?;
        self.rest = match rows.last() {
            Some((last, _)) if more => range.after(last, self.order),
            _ => None,
        };
        self.fetched = rows.into_iter();
        // Fetched again because many rows are deleted by the run itself, or because they are long.
        self.fetch_max = (self.fetch_max * 2).min(ENTRIES_MAX + 1);
        Ok(())
    }
}
