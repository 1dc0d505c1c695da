//! What one call has read and wants to write.

use std::collections::BTreeMap;

use super::publishing::Published;
use super::range::Range;
use super::rows::{Measure, Rows};
use super::rules;
use crate::bindings::http::backplane::plugin::events;
use crate::bindings::http::backplane::plugin::kv::{Entry, Error, Order, Page};

/// What a call may do, each with what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::testing) enum Access {
    None,
    Read,
    Write,
}

/// What a call may do and publish.
#[derive(Clone, Copy)]
pub(in crate::testing) struct Scope<'a> {
    pub(in crate::testing) access: Access,
    /// Patterns of the topics that it may publish to.
    pub(in crate::testing) publishes: &'a [String],
}

/// A change of one key.
pub(super) enum Change {
    Set { value: Vec<u8>, expires_at_ms: Option<i64> },
    Delete,
    Increment { by: i64 },
}

type ByKey<T> = BTreeMap<(String, String), T>;

/// A key and what it holds, or why that cannot be told.
type Found = (String, Result<Vec<u8>, Error>);

/// The transaction of a call that runs.
pub(super) struct Transaction {
    access: Access,
    publishes: Vec<String>,
    now_ms: i64,
    /// Keys that were read, and the version that was seen.
    reads: ByKey<Option<i64>>,
    ranges: Vec<(Range, Measure)>,
    writes: ByKey<Change>,
    written_bytes: usize,
    events: Vec<Published>,
    published_bytes: usize,
    has_failed: bool,
}

impl Transaction {
    pub(super) fn begin(scope: Scope<'_>, now_ms: i64) -> Self {
        Self {
            access: scope.access,
            publishes: scope.publishes.to_vec(),
            now_ms,
            reads: BTreeMap::new(),
            ranges: Vec::new(),
            writes: BTreeMap::new(),
            written_bytes: 0,
            events: Vec::new(),
            published_bytes: 0,
            has_failed: false,
        }
    }

    /// Refuses what the call may not do, and everything once the store has failed.
    pub(super) fn require(&self, access: Access) -> Result<(), Error> {
        match self.access {
            Access::None => Err(Error::NoTransaction),
            granted if granted < access => Err(Error::ReadOnly),
            _ if self.has_failed => Err(Error::Unavailable),
            _ => Ok(()),
        }
    }

    /// Notes that the store did not answer, whatever the handler makes of it.
    pub(super) fn fail(&mut self) -> Error {
        self.has_failed = true;
        Error::Unavailable
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn changes_nothing(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty()
    }

    pub(super) fn publishes(&self) -> &[String] {
        &self.publishes
    }

    /// Publishes events, all or none.
    pub(super) fn publish(&mut self, events: Vec<Published>) -> Result<(), events::Error> {
        let count = self.events.len() + events.len();
        let bytes = self.published_bytes + events.iter().map(Published::size).sum::<usize>();
        if count > rules::EVENTS_MAX || bytes > rules::PUBLISHED_BYTES_MAX {
            return Err(events::Error::TransactionTooLarge);
        }
        self.published_bytes = bytes;
        self.events.extend(events);
        Ok(())
    }

    pub(super) fn take_events(&mut self) -> Vec<Published> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = (&str, &str, Option<i64>)> {
        self.reads.iter().map(|((bucket, key), seen)| (bucket.as_str(), key.as_str(), *seen))
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = &(Range, Measure)> {
        self.ranges.iter()
    }

    pub(super) fn into_writes(self) -> impl Iterator<Item = (String, String, Change)> {
        self.writes.into_iter().map(|((bucket, key), change)| (bucket, key, change))
    }

    pub(super) fn get(&mut self, rows: &Rows, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = (bucket.to_owned(), key.to_owned());
        let by = match self.writes.get(&name) {
            Some(Change::Set { value, .. }) => return Ok(Some(value.clone())),
            Some(Change::Delete) => return Ok(None),
            Some(Change::Increment { by }) => Some(*by),
            None => None,
        };
        let row = rows.find(bucket, key);
        if self.access == Access::Write && !self.reads.contains_key(&name) {
            if self.reads.len() >= rules::READS_MAX {
                return Err(Error::TransactionTooLarge);
            }
            self.reads.insert(name, row.map(|row| row.version));
        }
        let value = row.map(|row| row.value.as_slice());
        by.map_or_else(|| Ok(value.map(Vec::from)), |by| rules::add(value, by).map(Some))
    }

    pub(super) fn set(&mut self, bucket: &str, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
        let end = |ttl_ms: u64| self.now_ms.saturating_add(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
        let change = match ttl_ms {
            Some(0) => Change::Delete,
            other => Change::Set { value: value.into(), expires_at_ms: other.map(end) },
        };
        self.write(bucket, key, change)
    }

    pub(super) fn delete(&mut self, bucket: &str, key: &str) -> Result<(), Error> {
        self.write(bucket, key, Change::Delete)
    }

    pub(super) fn increment(&mut self, bucket: &str, key: &str, by: i64) -> Result<(), Error> {
        let change = match self.writes.get(&(bucket.to_owned(), key.to_owned())) {
            Some(Change::Set { value, expires_at_ms }) => {
                Change::Set { value: rules::add(Some(value), by)?, expires_at_ms: *expires_at_ms }
            }
            Some(Change::Delete) => Change::Set { value: rules::add(None, by)?, expires_at_ms: None },
            Some(Change::Increment { by: before }) => {
                Change::Increment { by: before.checked_add(by).ok_or(Error::NotAnInteger)? }
            }
            None => Change::Increment { by },
        };
        self.write(bucket, key, change)
    }

    pub(super) fn list(&mut self, rows: &Rows, mut range: Range, limit: u32) -> Result<Page, Error> {
        let mut found = self.found(rows, &range);
        if range.order() == Order::Descending {
            found.reverse();
        }
        let (page, end) = first_page(found, limit.clamp(1, rules::PAGE_ENTRIES_MAX) as usize);
        // What tells that there is more, or why there is no page, was looked at, and so belongs to what was listed.
        if let Some(end) = end {
            range.end_at(&end);
        }
        self.remember(rows, range)?;
        page
    }

    fn remember(&mut self, rows: &Rows, range: Range) -> Result<(), Error> {
        let measure = rows.measure(&range);
        let read = (range, measure);
        if self.access == Access::Write && !self.ranges.contains(&read) {
            if self.ranges.len() >= rules::RANGES_MAX {
                return Err(Error::TransactionTooLarge);
            }
            self.ranges.push(read);
        }
        Ok(())
    }

    /// Lists a range as the call sees it: what is committed, with its own writes on top.
    fn found(&self, rows: &Rows, range: &Range) -> Vec<Found> {
        let mut found: BTreeMap<&str, Result<Vec<u8>, Error>> =
            rows.list(range).map(|(key, row)| (key, Ok(row.value.clone()))).collect();
        let own = self.writes.iter().filter(|((bucket, key), _)| bucket == range.bucket() && range.holds(key));
        for ((_, key), change) in own {
            match change {
                Change::Set { value, .. } => found.insert(key, Ok(value.clone())),
                Change::Delete => found.remove(key.as_str()),
                Change::Increment { by } => {
                    let before = found.get(key.as_str()).and_then(|value| value.as_deref().ok());
                    found.insert(key, rules::add(before, *by))
                }
            };
        }
        found.into_iter().map(|(key, value)| (key.into(), value)).collect()
    }

    fn write(&mut self, bucket: &str, key: &str, change: Change) -> Result<(), Error> {
        let name = (bucket.to_owned(), key.to_owned());
        let old = self.writes.get(&name);
        let old_size = old.map_or(0, |change| key.len() + change.size());
        let written_bytes = self.written_bytes - old_size + key.len() + change.size();
        let is_one_too_many = old.is_none() && self.writes.len() >= rules::WRITES_MAX;
        if is_one_too_many || written_bytes > rules::WRITTEN_BYTES_MAX {
            return Err(Error::TransactionTooLarge);
        }
        self.written_bytes = written_bytes;
        self.writes.insert(name, change);
        Ok(())
    }
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Change::Set { value, .. } => value.len(),
            Change::Delete => 0,
            Change::Increment { .. } => rules::INTEGER_BYTES_MAX,
        }
    }
}

/// Makes a page of what was found, or says why there is none, and returns the first key that is not in it.
fn first_page(found: Vec<Found>, entries_max: usize) -> (Result<Page, Error>, Option<String>) {
    let mut page = Page { entries: Vec::new(), more: false };
    let mut bytes = 0;
    for (key, value) in found {
        let is_full = page.entries.len() == entries_max;
        let value = match value {
            _ if is_full => Vec::new(),
            Ok(value) => value,
            Err(error) => return (Err(error), Some(key)),
        };
        bytes += key.len() + value.len();
        if is_full || !page.entries.is_empty() && bytes > rules::PAGE_BYTES_MAX {
            page.more = true;
            return (Ok(page), Some(key));
        }
        page.entries.push(Entry { key, value });
    }
    (Ok(page), None)
}
