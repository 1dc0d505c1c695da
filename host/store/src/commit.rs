//! A transaction on its way to the writer: what one run of a handler read, and what it wants written.
//!
//! The writer validates all reads against the newest state, and then does all writes or none.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use crate::{
    error::{Source, StoreError},
    events::{NewEvent, ScheduleStep, Step},
    range::KeyRange,
    replies::NewReply,
    space::Space,
};

/// Where the writer leaves the version that a commit got: 0 while it is not decided, -1 when it was not written.
///
/// Commits of one space that were submitted later may name it, before it is decided too.
pub type Mark = Arc<AtomicI64>;

/// The value of a [`Mark`] that is not decided.
pub(crate) const UNDECIDED: i64 = 0;
/// The value of the [`Mark`] of a commit that was not written.
pub(crate) const REFUSED: i64 = -1;

/// A transaction on its way to the writer.
#[derive(Debug)]
pub struct Commit {
    /// Whose it is.
    pub space: Arc<Space>,
    /// The sequence of the snapshot that was read from; `None` where none was opened.
    pub snapshot: Option<i64>,
    /// The time of the call, in Unix milliseconds. What is expired is judged by it.
    pub now_ms: i64,
    /// The keys that were read.
    pub reads: Vec<KeyRead>,
    /// The ranges that were listed.
    pub ranges: Vec<RangeRead>,
    /// What is to be written, in this order.
    pub writes: Vec<KeyWrite>,
    /// The events to publish, in this order.
    pub events: Vec<NewEvent>,
    /// What it changes in a subscription's progress.
    pub step: Option<Step>,
    /// What it changes in a schedule's progress.
    pub schedule_step: Option<ScheduleStep>,
    /// The reply to keep with it.
    pub reply: Option<NewReply>,
    /// Where the version is left.
    pub mark: Option<Mark>,
}

/// A key that was read.
#[derive(Debug, Clone)]
pub struct KeyRead {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Vec<u8>,
    /// What was there.
    pub seen: Seen,
}

/// What a read of a key saw.
#[derive(Debug, Clone)]
pub enum Seen {
    /// Nothing; or nothing after the commit of this mark, which deleted it.
    Absent {
        /// The commit.
        after: Option<Mark>,
    },
    /// A row.
    Version {
        /// Its version.
        version: i64,
        /// The length of its value.
        value_bytes: usize,
    },
    /// What the commit of this mark wrote.
    Written(Mark),
}

/// A range that was listed.
#[derive(Debug, Clone)]
pub struct RangeRead {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// The range, as far as it was looked at.
    pub range: KeyRange,
    /// Rows that it had.
    pub count: u64,
    /// The highest of their versions, 0 without rows.
    pub newest: i64,
}

/// A change of a key.
#[derive(Debug, Clone)]
pub struct KeyWrite {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// The key.
    pub key: Vec<u8>,
    /// The change.
    pub change: Change,
}

/// What becomes of a key.
#[derive(Debug, Clone)]
pub enum Change {
    /// It holds `value`.
    Set {
        /// The value.
        value: Vec<u8>,
        /// Milliseconds after the call's time when it is gone; `None` for never, 0 for at once.
        ttl_ms: Option<u64>,
    },
    /// It is gone.
    Delete,
    /// `by` is added to the decimal integer that it holds, 0 where there is none. Its end stays.
    Increment {
        /// What is added.
        by: i64,
    },
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its version: that of every key that it wrote.
    pub version: i64,
    /// The places of its events in the log, in their order. Of one whose id was given before: the place that it has.
    pub events: Vec<i64>,
}

/// What a quota bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Keys.
    Keys,
    /// Bytes.
    Bytes,
}

/// Why a commit was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Something that was read is no longer so. Running the handler again may succeed.
    #[error("what was read has changed")]
    Conflict,
    /// Something is not as a step expects. Running the handler again is of no use: another delivery was faster, or a person
    /// changed the progress.
    #[error("the progress is not what the step expects")]
    Stale,
    /// There is a reply to this request already.
    #[error("the request was answered before")]
    ReplyExists,
    /// The plugin would keep more than it may.
    #[error("the plugin would keep more than {max} {}", match .resource { Resource::Keys => "keys", Resource::Bytes => "bytes" })]
    QuotaExceeded {
        /// Of what.
        resource: Resource,
        /// What it may keep.
        max: u64,
    },
    /// The log of events would hold more than it may, of one publisher or all in all.
    #[error("the log of events would hold more than {max} bytes")]
    EventLogFull {
        /// What it may hold.
        max: u64,
    },
    /// An increment met what is no integer, or the sum is beyond 64 bits.
    #[error("key `{}` in bucket `{bucket}` is not an integer that the increment fits", String::from_utf8_lossy(.key))]
    NotAnInteger {
        /// The key's bucket.
        bucket: Arc<str>,
        /// The key.
        key: Vec<u8>,
    },
    /// Too much waits for the writer.
    #[error("the store is busy")]
    Busy,
    /// The database cannot be written now.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// The writer ended before it said what came of the commit: it may be written.
    #[error("the store ended before it told the outcome")]
    Unknown,
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Unknown => Self::Unknown,
        }
    }
}

impl Commit {
    /// Makes one that reads and writes nothing.
    pub fn new(space: Arc<Space>, now_ms: i64) -> Self {
        Self {
            space,
            snapshot: None,
            now_ms,
            reads: Vec::new(),
            ranges: Vec::new(),
            writes: Vec::new(),
            events: Vec::new(),
            step: None,
            schedule_step: None,
            reply: None,
            mark: None,
        }
    }

    /// Leaves in its mark that it is not written.
    pub(crate) fn refuse(&self) {
        if let Some(mark) = &self.mark {
            mark.store(REFUSED, Ordering::SeqCst);
        }
    }

    /// Returns about the memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let reads: usize = self.reads.iter().map(|read| size_of::<KeyRead>() + read.key.len()).sum();
        let writes: usize = self.writes.iter().map(KeyWrite::bytes).sum();
        let reply = self.reply.as_ref().map_or(0, |reply| usize::try_from(reply.bytes()).unwrap_or(usize::MAX));
        let ranges: usize = self.ranges.iter().map(RangeRead::bytes).sum();
        let events: usize = self.events.iter().map(NewEvent::bytes).sum();
        let step = self.step.as_ref().map_or(0, Step::bytes);
        [size_of::<Self>(), reads, ranges, writes, events, step, reply].into_iter().fold(0, usize::saturating_add)
    }
}

impl KeyWrite {
    fn bytes(&self) -> usize {
        let value = match &self.change {
            Change::Set { value, .. } => value.len(),
            Change::Delete | Change::Increment { .. } => 0,
        };
        size_of::<Self>() + self.key.len() + value
    }
}

impl RangeRead {
    fn bytes(&self) -> usize {
        let bound = |bound: &Bound<Vec<u8>>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => key.len(),
            Bound::Unbounded => 0,
        };
        size_of::<Self>() + bound(&self.range.from) + bound(&self.range.to)
    }
}
