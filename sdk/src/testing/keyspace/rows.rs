//! What is committed, and what a commit is held against.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::range::Range;
use super::rules;
use super::transaction::{Change, Transaction};
use crate::{Problem, Result};

/// The keys of all buckets. None of them is past its time.
pub(super) struct Rows {
    buckets: BTreeMap<String, BTreeMap<String, Row>>,
    usage: Usage,
    quota: Usage,
    /// Version of the last commit.
    version: i64,
}

/// What a key holds.
pub(super) struct Row {
    pub(super) value: Vec<u8>,
    /// Version of the commit that wrote it.
    pub(super) version: i64,
    pub(super) expires_at_ms: Option<i64>,
}

/// Keys, and bytes of buckets' names, keys and values.
#[derive(Clone, Copy, Default)]
struct Usage {
    keys: u64,
    bytes: u64,
}

/// How many keys a range has, and the newest version of them: one of both differs when anything in it does.
pub(super) type Measure = (usize, i64);

/// Why a transaction does not commit.
pub(super) enum Refusal {
    /// What it read has changed: it runs again.
    Conflict,
    /// It is over, with what a host answers then.
    Failure(Problem),
    /// The store fails.
    Unavailable,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Failure(problem)
    }
}

impl Rows {
    pub(super) const fn new() -> Self {
        let quota = Usage { keys: 1_000_000, bytes: 256 << 20 };
        Self { buckets: BTreeMap::new(), usage: Usage { keys: 0, bytes: 0 }, quota, version: 0 }
    }

    pub(super) fn set_quota(&mut self, keys: u64, bytes: u64) {
        self.quota = Usage { keys, bytes };
    }

    /// Finds what a key holds.
    pub(super) fn find(&self, bucket: &str, key: &str) -> Option<&Row> {
        self.buckets.get(bucket)?.get(key)
    }

    /// Lists a range in the order of the keys, whatever the range's own direction.
    pub(super) fn list<'a>(&'a self, range: &'a Range) -> impl Iterator<Item = (&'a str, &'a Row)> {
        let from = (Bound::Included(range.prefix()), Bound::Unbounded);
        let keys = self.buckets.get(range.bucket()).map(|keys| keys.range::<str, _>(from)).into_iter().flatten();
        keys.map(|(key, row)| (key.as_str(), row))
            .take_while(|(key, _)| key.starts_with(range.prefix()))
            .filter(|(key, _)| range.holds(key))
    }

    pub(super) fn measure(&self, range: &Range) -> Measure {
        self.list(range).fold((0, 0), |(count, newest), (_, row)| (count + 1, newest.max(row.version)))
    }

    /// Forgets what is past its time.
    pub(super) fn expire(&mut self, now_ms: i64) {
        let usage = &mut self.usage;
        for (bucket, keys) in &mut self.buckets {
            keys.retain(|key, row| {
                let stays = row.expires_at_ms.is_none_or(|end| end > now_ms);
                if !stays {
                    usage.remove(bucket, key, row);
                }
                stays
            });
        }
    }

    /// Commits a call's transaction, unless what it read has changed or what it adds is over the quota.
    pub(super) fn commit(&mut self, transaction: Transaction) -> Result<(), Refusal> {
        let keys_stand =
            transaction.reads().all(|(bucket, key, seen)| self.find(bucket, key).map(|row| row.version) == seen);
        let ranges_stand = transaction.ranges().all(|(range, seen)| self.measure(range) == *seen);
        if !keys_stand || !ranges_stand {
            return Err(Refusal::Conflict);
        }
        let writes = self.resolve(transaction)?;
        let after = self.usage_after(&writes);
        // What only takes away is let through, also where there is too much already.
        if after.keys > self.quota.keys && after.keys > self.usage.keys {
            return Err(over_quota("keys").into());
        }
        if after.bytes > self.quota.bytes && after.bytes > self.usage.bytes {
            return Err(over_quota("bytes").into());
        }
        self.apply(writes);
        Ok(())
    }

    /// Commits what the test itself does.
    pub(super) fn commit_at_once(&mut self, transaction: Transaction) -> Result<()> {
        let writes = self.resolve(transaction)?;
        self.apply(writes);
        Ok(())
    }

    /// Makes rows of changes; `None` where there will be none.
    fn resolve(&self, transaction: Transaction) -> Result<Vec<(String, String, Option<Row>)>> {
        let version = self.version + 1;
        let mut writes = Vec::new();
        for (bucket, key, change) in transaction.into_writes() {
            let row = match change {
                Change::Set { value, expires_at_ms } => Some(Row { value, version, expires_at_ms }),
                Change::Delete => None,
                Change::Increment { by } => {
                    let old = self.find(&bucket, &key);
                    let sum = rules::add(old.map(|row| row.value.as_slice()), by);
                    let value = sum.map_err(|_| {
                        Problem::new(500, "plugin_failed", "an increment met something that is no integer")
                    })?;
                    Some(Row { value, version, expires_at_ms: old.and_then(|row| row.expires_at_ms) })
                }
            };
            writes.push((bucket, key, row));
        }
        Ok(writes)
    }

    fn usage_after(&self, writes: &[(String, String, Option<Row>)]) -> Usage {
        let mut usage = self.usage;
        for (bucket, key, row) in writes {
            if let Some(old) = self.find(bucket, key) {
                usage.remove(bucket, key, old);
            }
            if let Some(row) = row {
                usage.add(bucket, key, row);
            }
        }
        usage
    }

    fn apply(&mut self, writes: Vec<(String, String, Option<Row>)>) {
        self.usage = self.usage_after(&writes);
        self.version += 1;
        for (bucket, key, row) in writes {
            let keys = self.buckets.entry(bucket).or_default();
            match row {
                Some(row) => keys.insert(key, row),
                None => keys.remove(&key),
            };
        }
    }
}

fn over_quota(resource: &str) -> Problem {
    Problem::new(507, "quota_exceeded", format!("the plugin's state would have too many {resource}"))
}

impl Usage {
    fn add(&mut self, bucket: &str, key: &str, row: &Row) {
        self.keys += 1;
        self.bytes += row.size(bucket, key);
    }

    fn remove(&mut self, bucket: &str, key: &str, row: &Row) {
        self.keys -= 1;
        self.bytes -= row.size(bucket, key);
    }
}

impl Row {
    fn size(&self, bucket: &str, key: &str) -> u64 {
        (bucket.len() + key.len() + self.value.len()) as u64
    }
}
