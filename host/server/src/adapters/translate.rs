//! The runtime's words for reads and writes as the store's, and the store's answers as the runtime's.
//!
//! The two say the same with types of their own: nothing is copied here but the vectors that hold them, and those keep
//! their place in memory where the types have one layout.

use backplane_runtime::keyspace::{self as port, StateUnavailable};
use backplane_store as store;

pub(super) fn row(row: store::Row) -> port::Row {
    port::Row { value: row.value, version: row.version }
}

pub(super) fn rows(rows: store::Rows) -> port::Rows {
    port::Rows { rows: rows.rows.into_iter().map(|(key, found)| (key, row(found))).collect(), more: rows.more }
}

pub(super) fn order(order: port::Order) -> store::Order {
    match order {
        port::Order::Ascending => store::Order::Ascending,
        port::Order::Descending => store::Order::Descending,
    }
}

pub(super) fn range(range: port::KeyRange) -> store::KeyRange {
    store::KeyRange { from: range.from, to: range.to }
}

pub(super) fn key_read(read: port::KeyRead) -> store::KeyRead {
    let seen = match read.seen {
        port::Seen::Absent { after } => store::Seen::Absent { after },
        port::Seen::Version { version, value_bytes } => store::Seen::Version { version, value_bytes },
        port::Seen::Written(mark) => store::Seen::Written(mark),
    };
    store::KeyRead { bucket: read.bucket, key: read.key, seen }
}

pub(super) fn range_read(read: port::RangeRead) -> store::RangeRead {
    let port::RangeRead { bucket, range: listed, count, newest } = read;
    store::RangeRead { bucket, range: range(listed), count, newest }
}

pub(super) fn key_write(write: port::KeyWrite) -> store::KeyWrite {
    let change = match write.change {
        port::Change::Set { value, ttl_ms } => store::Change::Set { value, ttl_ms },
        port::Change::Delete => store::Change::Delete,
        port::Change::Increment { by } => store::Change::Increment { by },
    };
    store::KeyWrite { bucket: write.bucket, key: write.key, change }
}

pub(super) fn commit_error(error: store::CommitError) -> port::CommitError {
    use store::CommitError as From;
    match error {
        From::Conflict => port::CommitError::Conflict,
        From::Stale => port::CommitError::Stale,
        From::EventLogFull { max } => port::CommitError::EventLogFull { max },
        From::ReplyExists => port::CommitError::Replayed,
        From::QuotaExceeded { resource, max } => {
            let resource = match resource {
                store::Resource::Keys => "keys",
                store::Resource::Bytes => "bytes",
            };
            port::CommitError::QuotaExceeded { resource, max }
        }
        From::NotAnInteger { bucket, key } => port::CommitError::NotAnInteger {
            bucket: bucket.to_string(),
            key: String::from_utf8_lossy(&key).into_owned(),
        },
        From::Busy => port::CommitError::Busy,
        From::Unavailable(source) => port::CommitError::Unavailable(Box::new(source)),
        From::Unknown => port::CommitError::Unknown,
    }
}

pub(super) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StateUnavailable {
    StateUnavailable(Box::new(error))
}
