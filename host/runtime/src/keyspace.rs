//! The port to a plugin's state: what a call reads from, and what becomes of its writes.
//!
//! The runtime collects what a handler read and wants to write; whoever implements [`Keyspace`] validates and applies
//! it, all or nothing. Keys are ordered by their bytes. A row whose time is over at the snapshot's time is absent
//! everywhere here. This module knows no SQL, no queue and no plugin: a keyspace is one plugin's already.

#[cfg(test)]
pub(crate) mod double;
mod outcome;

use std::{
    error::Error,
    ops::Bound,
    pin::Pin,
    sync::{Arc, atomic::AtomicI64},
};

pub use self::outcome::{EventFailure, EventFailureKind, Handled, Outcome, Problem, Ran};

/// A future that owns or borrows what it needs.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the version of a commit appears that is on its way: 0 while it is undecided, -1 when nothing came of it.
///
/// It is decided no later than the future of [`Keyspace::commit`].
pub type Mark = Arc<AtomicI64>;

/// The state of one plugin, for one call or for many.
pub trait Keyspace: Send + Sync {
    /// Opens what a run of a handler reads from.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>>;

    /// Returns the moment at which a run that begins now can read without a snapshot; `None` where none can.
    fn moment(&self) -> Option<Moment> {
        None
    }

    /// Returns the row of a key that a snapshot of `moment` would show, if that is in memory.
    ///
    /// `None` says nothing: the key may be there.
    fn find_recent(&self, _moment: Moment, _bucket: &str, _key: &[u8]) -> Option<Row> {
        None
    }

    /// Returns whether an `ok` of the handler is to be recorded even when it wrote nothing.
    fn records_answer(&self) -> bool;

    /// Makes the id of an event that is published: a UUID of version 7 (RFC 9562).
    fn new_event_id(&self) -> String;

    /// Hands `transaction` over at once, in the order of the calls; the future says what came of it.
    ///
    /// `outcome` becomes true with the commit, and not without it.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing: what was handed over is decided all the same.
    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>>;
}

/// What a run reads at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// As [`Snapshot::sequence`].
    pub sequence: i64,
    /// As [`Snapshot::now_ms`].
    pub now_ms: i64,
}

/// One plugin's state as it was at one moment. Dropping it gives back what it holds.
///
/// Both functions are called on the thread of the call, so they must answer from memory or nearly so.
pub trait Snapshot: Send {
    /// Returns the number of a commit that is seen here, and all before it.
    fn sequence(&self) -> i64;

    /// Returns the call's time, in milliseconds since the Unix epoch. It stands still.
    fn now_ms(&self) -> i64;

    /// Finds one row.
    ///
    /// # Errors
    /// When the store failed. The snapshot is not used again then.
    fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Row>, StateUnavailable>;

    /// Lists the first rows of `range` in the direction of `order`: at most `rows_max`, and no more than fit in
    /// `bytes_max` bytes of keys and values, but one where there is one.
    ///
    /// # Errors
    /// As for [`Snapshot::get`].
    fn list(
        &mut self,
        bucket: &str,
        range: &KeyRange,
        order: Order,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Rows, StateUnavailable>;
}

/// A value, and the number of the commit that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The value.
    pub value: Vec<u8>,
    /// Positive. Greater than that of every commit before.
    pub version: i64,
}

/// The first rows of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Keys with their rows, in the order that was asked for.
    pub rows: Vec<(Vec<u8>, Row)>,
    /// Whether the range has more after the last of them.
    pub more: bool,
}

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The lower end.
    pub from: Bound<Vec<u8>>,
    /// The upper end.
    pub to: Bound<Vec<u8>>,
}

/// A direction through a range, by the bytes of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Order {
    Ascending,
    Descending,
}

/// What one run of a handler read and wants to write.
#[derive(Debug, Default)]
pub struct Transaction {
    /// [`Snapshot::sequence`] of what it read from; `None` when it read nothing.
    pub snapshot: Option<i64>,
    /// [`Snapshot::now_ms`] of what it read from; without, the time of the commit is the call's.
    pub now_ms: Option<i64>,
    /// Keys that it read, each once.
    pub reads: Vec<KeyRead>,
    /// Ranges that it listed.
    pub ranges: Vec<RangeRead>,
    /// Keys that it writes, each once.
    pub writes: Vec<KeyWrite>,
    /// Events that it publishes, in their order.
    pub events: Vec<NewEvent>,
    /// Where others wait for its version.
    pub mark: Option<Mark>,
}

/// A key that was read.
#[derive(Debug, Clone)]
pub struct KeyRead {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Vec<u8>,
    /// What stood there. The transaction is valid as long as it still does.
    pub seen: Seen,
}

/// What stood under a key.
#[derive(Debug, Clone)]
pub enum Seen {
    /// No row.
    Absent {
        /// The commit that took it away, where that was on its way: it must have come about.
        after: Option<Mark>,
    },
    /// A row.
    Version {
        /// Its version.
        version: i64,
        /// The length of its value.
        value_bytes: usize,
    },
    /// The row of a commit that was on its way.
    Written(Mark),
}

/// A range that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRead {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// As far as it was listed.
    pub range: KeyRange,
    /// Rows in it.
    pub count: u64,
    /// The highest version among them, 0 when there are none.
    pub newest: i64,
}

/// A key that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWrite {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Vec<u8>,
    /// What is to happen to it.
    pub change: Change,
}

/// What is to happen to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It gets this value, whatever it has.
    Set {
        /// The value.
        value: Vec<u8>,
        /// Milliseconds after the call's time at which it is gone, at least 1.
        ttl_ms: Option<u64>,
    },
    /// It goes, if it is there.
    Delete,
    /// This is added to the integer that it holds as decimal text, 0 when there is none; what time it has stays.
    Increment {
        /// The summand.
        by: i64,
    },
}

/// An event that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// As [`Keyspace::new_event_id`] made it.
    pub id: String,
    /// A topic that the plugin's manifest names.
    pub topic: String,
    /// 1 to 256 bytes without control characters.
    pub key: Option<String>,
    /// A media type.
    pub content_type: String,
    /// At most 256 KiB.
    pub payload: Vec<u8>,
    /// The trace of the call, or of the event, whose handler publishes it.
    pub trace_parent: Option<String>,
}

/// The store cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("state cannot be read")]
pub struct StateUnavailable(#[source] pub Box<dyn Error + Send + Sync>);

/// Why nothing, or nothing known, came of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something that it read is not so any more. Nothing is written.
    #[error("another call changed what this one had read")]
    Conflict,
    /// Its answer would be recorded under a name that has one. Nothing is written.
    #[error("a request under the same key was answered before")]
    Replayed,
    /// It would break a quota. Nothing is written.
    #[error("it would break the quota of {max} {resource}")]
    QuotaExceeded {
        /// `keys` or `bytes`.
        resource: &'static str,
        /// The quota.
        max: u64,
    },
    /// It increments what is not an integer, or beyond 64 bits. Nothing is written.
    #[error("key `{key}` in bucket `{bucket}` does not hold an integer that can be incremented")]
    NotAnInteger {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The log has no room for the events that it publishes. Nothing is written.
    #[error("the log of events may hold {max} bytes, and is full")]
    EventLogFull {
        /// The bound that is reached, in bytes.
        max: u64,
    },
    /// What its outcome builds on is not so any more. Nothing is written.
    #[error("its events or its slot were dealt with in another way")]
    Stale,
    /// The answer cannot be sent as it is. Nothing is written.
    #[error("its answer is refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// Too many are on their way. Nothing is written.
    #[error("too many commits are waiting")]
    Busy,
    /// The store failed. Nothing is written.
    #[error("state cannot be written")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Nobody can say whether it is written.
    #[error("what came of the commit is not known")]
    Unknown,
}
