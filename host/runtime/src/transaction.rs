//! What one run of a handler has read and wants to write, while it runs.
//!
//! A read sees three layers: the snapshot, over it the commits of earlier turns that are on their way (`turns`), and
//! over both what the run itself has written. Everything that a read found in the first two is remembered, so that the
//! commit can tell whether it still holds; a run that cannot write remembers nothing. Nothing leaves this module but by
//! [`Draft::into_transaction`], so a run that failed is undone by dropping its draft.
//!
//! Several handlers may run in one transaction, one after another: [`Draft::mark`] stands between them, and
//! [`Draft::undo`] takes back what the last one wrote and published. What it read stays read.
//!
//! The snapshot is opened at the first read of what the store does not have in memory (`recent`). It is read on the
//! calling thread (docs/decisions/0007).

mod base;
mod integer;
mod listing;
mod names;
mod outbox;
mod range;
mod reads;
mod recent;
#[cfg(test)]
mod tests;
mod undo;
mod writes;

use std::sync::Arc;

use tokio::time::{Instant, timeout};

pub(crate) use self::listing::{Listing, Page};
use self::{
    base::Base,
    names::{check_bucket, check_key, check_position},
    outbox::Outbox,
    reads::Reads,
    recent::Recent,
    writes::Writes,
};
use crate::{
    bindings::backplane::plugin::kv::Error,
    byte_budget::{ByteBudget, Charge},
    keyspace::{Change, KeyRange, Keyspace, RangeRead, Row, Seen, StateUnavailable, Transaction},
    manifest::Transaction as Mode,
    turns::Turns,
};

/// Longest value.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// Most keys of one `get-many`.
const GET_MANY_KEYS_MAX: usize = 100;
/// Most bytes of values that one `get-many` answers with.
const GET_MANY_BYTES_MAX: usize = 8 << 20;
/// What a key or an event costs in memory besides its bytes, about.
const ENTRY_BYTES: usize = 128;

/// How the run that goes on may use its plugin's state.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) mode: Mode,
    /// Set when the run is in a turn: it sees what earlier turns have handed over.
    pub(crate) turns: Option<Arc<Turns>>,
    /// Whether the run has to read everything from one snapshot.
    pub(crate) needs_snapshot: bool,
}

impl Scope {
    /// No state at all.
    pub(crate) const NONE: Self = Self { mode: Mode::None, turns: None, needs_snapshot: false };
}

/// Why a transaction does not do what was asked.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The guest is told.
    Refused(Error),
    /// The store failed, which becomes [`Error::Unavailable`].
    Failed(StateUnavailable),
    /// What was read so far cannot be joined with what is asked for: the run must start anew, after the pending
    /// commits have ended.
    Restart,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Something more would be more than one transaction may hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl From<TooLarge> for Error {
    fn from(TooLarge: TooLarge) -> Self {
        Self::TransactionTooLarge
    }
}

/// Others were not done in time.
#[derive(Debug, thiserror::Error)]
#[error("other calls use the database, and were not done in time")]
struct NotInTime;

/// All that there is memory for is held by transactions that run.
#[derive(Debug, thiserror::Error)]
#[error("the transactions that run hold all memory that there is for them")]
struct NoMemory;

/// A transaction whose handler runs.
pub(crate) struct Draft {
    may_write: bool,
    turns: Option<Arc<Turns>>,
    base: Option<Base>,
    /// What was read before there was a base; `None` where all is read from that.
    recent: Option<Recent>,
    /// Sequence and time of the snapshot, kept when it is given back.
    opened: Option<(i64, i64)>,
    reads: Reads,
    writes: Writes,
    outbox: Outbox,
    charge: Charge,
    failure: Option<StateUnavailable>,
    must_restart: bool,
    /// Whether something was refused since the last mark because of all that the transaction holds.
    lacked_room: bool,
    /// When the handler that runs must be done; `None` is never.
    deadline: Option<Instant>,
}

/// A transaction whose handler has returned.
pub(crate) struct Finished {
    pub(crate) transaction: Transaction,
    /// Whether it has read what was not committed yet.
    pub(crate) relies_on_pending: bool,
    /// For as long as the writes are in memory.
    pub(crate) charge: Charge,
}

impl Draft {
    /// Returns the transaction in `place`, which starts at its first use, for a handler that must be done at `deadline`;
    /// `None` when there is none in `scope`.
    pub(crate) fn in_place<'a>(
        place: &'a mut Option<Box<Self>>,
        scope: &Scope,
        budget: &Arc<ByteBudget>,
        deadline: Instant,
    ) -> Option<&'a mut Self> {
        let mut draft = match place.take() {
            Some(draft) => draft,
            None => Box::new(Self::start(scope, budget)?),
        };
        draft.deadline = Some(deadline);
        Some(place.insert(draft))
    }

    /// Starts a transaction in `scope`, whose memory is charged to `budget`; `None` when there is none in that scope.
    fn start(scope: &Scope, budget: &Arc<ByteBudget>) -> Option<Self> {
        let may_write = match scope.mode {
            Mode::Write => true,
            Mode::Read => false,
            Mode::None => return None,
        };
        Some(Self {
            may_write,
            turns: scope.turns.clone(),
            base: None,
            recent: (scope.turns.is_none() && !scope.needs_snapshot).then(Recent::default),
            opened: None,
            reads: Reads::default(),
            writes: Writes::default(),
            outbox: Outbox::default(),
            charge: Charge::new(Arc::clone(budget)),
            failure: None,
            must_restart: false,
            lacked_room: false,
            deadline: None,
        })
    }

    /// Reads one key.
    pub(crate) async fn get(
        &mut self,
        keyspace: &dyn Keyspace,
        bucket: &str,
        key: String,
    ) -> Result<Option<Vec<u8>>, Stop> {
        check_bucket(bucket)?;
        check_key(&key)?;
        self.prepare(keyspace, bucket, std::slice::from_ref(&key)).await?;
        let read = self.read(bucket, key);
        self.noted(read)
    }

    /// Reads keys, in their order.
    pub(crate) async fn get_many(
        &mut self,
        keyspace: &dyn Keyspace,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, Stop> {
        check_bucket(bucket)?;
        if keys.len() > GET_MANY_KEYS_MAX {
            return Err(Error::TransactionTooLarge.into());
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        self.prepare(keyspace, bucket, &keys).await?;
        let mut values = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for key in keys {
            let read = self.read(bucket, key);
            let value = self.noted(read)?;
            bytes += value.as_ref().map_or(0, Vec::len);
            if bytes > GET_MANY_BYTES_MAX {
                return Err(Error::TransactionTooLarge.into());
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Reads one page of a range.
    pub(crate) async fn list(&mut self, keyspace: &dyn Keyspace, listing: &Listing) -> Result<Page, Stop> {
        check_bucket(&listing.bucket)?;
        check_position(&listing.prefix)?;
        check_position(listing.after.as_deref().unwrap_or_default())?;
        let Some(range) = KeyRange::listed(&listing.prefix, listing.after.as_deref(), listing.order) else {
            return Ok(Page::default());
        };
        let base = self.open(keyspace).await?;
        if base.pending.touches(&listing.bucket, &range) {
            self.settle(keyspace).await?;
        }
        let read = self.read_page(listing, range);
        self.noted(read)
    }

    /// Sets a key.
    pub(crate) fn set(&mut self, bucket: &str, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Result<(), Error> {
        self.check_write(bucket, &key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueTooLarge);
        }
        let change = if ttl_ms == Some(0) { Change::Delete } else { Change::Set { value, ttl_ms } };
        self.put(bucket, key, change)
    }

    /// Deletes a key.
    pub(crate) fn delete(&mut self, bucket: &str, key: String) -> Result<(), Error> {
        self.check_write(bucket, &key)?;
        self.put(bucket, key, Change::Delete)
    }

    /// Adds to the integer that a key holds.
    pub(crate) fn increment(&mut self, bucket: &str, key: String, by: i64) -> Result<(), Error> {
        self.check_write(bucket, &key)?;
        let change = self.writes.incremented(bucket, key.as_bytes(), by)?;
        self.put(bucket, key, change)
    }

    /// Keeps what is written and published so far, whatever the handler that comes next does.
    pub(crate) fn mark(&mut self) {
        self.writes.mark();
        self.outbox.mark();
        self.lacked_room = false;
    }

    /// Takes back what was written and published since the last mark, everything without one.
    pub(crate) fn undo(&mut self) {
        self.writes.undo();
        self.outbox.undo();
    }

    /// Returns whether the handler that runs was refused something because of all that the transaction holds, what those
    /// before it did included.
    pub(crate) fn lacked_room(&self) -> bool {
        self.lacked_room
    }

    /// Gives the snapshot back: the handler has returned.
    pub(crate) fn close(&mut self) {
        self.base = None;
    }

    /// Returns whether nothing of the run counts: the store failed, or the run must start anew.
    pub(crate) fn is_void(&self) -> bool {
        self.failure.is_some() || self.must_restart
    }

    /// Returns why the store could not be read, when it could not: nothing that the run did counts then.
    pub(crate) fn take_failure(&mut self) -> Option<StateUnavailable> {
        self.failure.take()
    }

    /// Returns whether the run must start anew, after the pending commits have ended.
    pub(crate) fn must_restart(&self) -> bool {
        self.must_restart
    }

    /// Returns whether something was read that was not committed yet.
    pub(crate) fn relies_on_pending(&self) -> bool {
        self.reads.rely_on_pending()
    }

    /// Returns what is to be committed. Without `keeps_writes`, only what was read, and that only where it relies on what
    /// was not committed yet: all else was committed together.
    pub(crate) fn into_transaction(self, keeps_writes: bool) -> Finished {
        let relies_on_pending = self.relies_on_pending();
        let mut transaction = Transaction::default();
        if keeps_writes {
            transaction.writes = self.writes.into_list();
            transaction.events = self.outbox.into_list();
        }
        if keeps_writes || relies_on_pending {
            let recent = self.recent.as_ref().and_then(Recent::opened);
            (transaction.snapshot, transaction.now_ms) = self.opened.or(recent).unzip();
            (transaction.reads, transaction.ranges) = self.reads.into_lists();
        }
        Finished { transaction, relies_on_pending, charge: self.charge }
    }

    /// Sees to it that `keys` can be read: the snapshot is open, and no key holds what only a commit can tell.
    async fn prepare(&mut self, keyspace: &dyn Keyspace, bucket: &str, keys: &[String]) -> Result<(), Stop> {
        let is_own = |key: &String| {
            matches!(self.writes.find(bucket, key.as_bytes()), Some(Change::Set { .. } | Change::Delete))
        };
        if keys.iter().all(is_own) {
            return self.check_failure();
        }
        if self.base.is_none()
            && let Some(recent) = &mut self.recent
            && recent.look_up(keyspace, bucket, keys.iter().filter(|key| !is_own(key)).map(String::as_bytes))
        {
            return self.check_failure();
        }
        let base = self.open(keyspace).await?;
        if keys.iter().any(|key| base.pending.is_unclear(bucket, key.as_bytes())) {
            self.settle(keyspace).await?;
        }
        Ok(())
    }

    /// Opens the snapshot if it is not.
    async fn open(&mut self, keyspace: &dyn Keyspace) -> Result<&mut Base, Stop> {
        self.check_failure()?;
        let base = match self.base.take() {
            Some(base) => base,
            None => {
                // Before the snapshot is opened: what ends in between is then seen twice, and not missed.
                let pending = self.turns.as_ref().map(|turns| turns.pending()).unwrap_or_default();
                let opened = in_time(self.deadline, keyspace.snapshot()).await.flatten().map_err(Stop::Failed);
                let mut snapshot = self.noted(opened)?;
                self.opened = Some((snapshot.sequence(), snapshot.now_ms()));
                if let Some(recent) = self.recent.take() {
                    let shown = recent.is_shown_by(&mut *snapshot).map_err(Stop::Failed);
                    if !self.noted(shown)? {
                        self.must_restart = true;
                        return Err(Stop::Restart);
                    }
                }
                Base { snapshot, pending }
            }
        };
        Ok(self.base.insert(base))
    }

    /// Waits until the commits of earlier turns have ended, and opens a snapshot that sees them. A run that has read
    /// from an earlier one must start anew.
    async fn settle(&mut self, keyspace: &dyn Keyspace) -> Result<(), Stop> {
        if !self.reads.is_empty() {
            self.must_restart = true;
            return Err(Stop::Restart);
        }
        self.base = None;
        if let Some(turns) = self.turns.clone() {
            let settled = in_time(self.deadline, turns.settled()).await.map_err(Stop::Failed);
            self.noted(settled)?;
        }
        self.open(keyspace).await.map(drop)
    }

    fn read(&mut self, bucket: &str, key: String) -> Result<Option<Vec<u8>>, Stop> {
        let by = match self.writes.find(bucket, key.as_bytes()) {
            Some(Change::Set { value, .. }) => return Ok(Some(value.clone())),
            Some(Change::Delete) => return Ok(None),
            Some(Change::Increment { by }) => Some(*by),
            None => None,
        };
        let (value, seen) = self.find(bucket, key.as_bytes())?;
        if self.may_write {
            let added = self.reads.add_key(bucket, key.into_bytes(), seen);
            self.within_bounds(added).map_err(Error::from)?;
            self.cover_reads()?;
        }
        Ok(match by {
            Some(by) => Some(integer::add(value.as_deref(), by)?),
            None => value,
        })
    }

    fn find(&mut self, bucket: &str, key: &[u8]) -> Result<(Option<Vec<u8>>, Seen), Stop> {
        if let Some(base) = &mut self.base {
            return base.find(bucket, key).map_err(Stop::Failed);
        }
        let recent = self.recent.as_ref().and_then(|recent| recent.find(bucket, key));
        let Row { value, version } = recent.ok_or(Error::Unavailable)?;
        Ok((Some(value.clone()), Seen::Version { version: *version, value_bytes: value.len() }))
    }

    fn read_page(&mut self, listing: &Listing, range: KeyRange) -> Result<Page, Stop> {
        let base = self.base.as_mut().ok_or(Error::Unavailable)?;
        let listed = listing::list(&mut *base.snapshot, &self.writes, listing, range)?;
        if self.may_write {
            let bucket = listing.bucket.as_str().into();
            let read = RangeRead { bucket, range: listed.range, count: listed.count, newest: listed.newest };
            let added = self.reads.add_range(read);
            self.within_bounds(added).map_err(Error::from)?;
            self.cover_reads()?;
        }
        Ok(listed.page?)
    }

    fn check_write(&self, bucket: &str, key: &str) -> Result<(), Error> {
        if !self.may_write {
            return Err(Error::ReadOnly);
        }
        if self.failure.is_some() {
            return Err(Error::Unavailable);
        }
        check_bucket(bucket)?;
        check_key(key)
    }

    fn check_failure(&self) -> Result<(), Stop> {
        if self.failure.is_some() { Err(Error::Unavailable.into()) } else { Ok(()) }
    }

    fn put(&mut self, bucket: &str, key: String, change: Change) -> Result<(), Error> {
        let size = self.writes.size_with(bucket, key.as_bytes(), &change);
        let size = self.within_bounds(size)?;
        self.cover(size)?;
        self.writes.put(bucket, key.into_bytes(), change, size);
        Ok(())
    }

    fn cover_reads(&mut self) -> Result<(), Error> {
        self.cover(self.writes.size())
    }

    /// Charges the memory of everything that is remembered, with writes of this size.
    fn cover(&mut self, writes: writes::Size) -> Result<(), Error> {
        let memory = self.memory(writes, self.outbox.count(), self.outbox.bytes());
        if self.has_memory(memory) { Ok(()) } else { Err(Error::Unavailable) }
    }

    /// Takes memory for everything. Where there is none left, the transaction comes to nothing: others hold it, and it
    /// may be there in a moment.
    fn has_memory(&mut self, bytes: usize) -> bool {
        let is_there = self.charge.cover(bytes);
        if !is_there {
            self.base = None;
            self.failure = Some(StateUnavailable(Box::new(NoMemory)));
        }
        is_there
    }

    /// Notes where something is refused because of all that the transaction holds.
    fn within_bounds<T>(&mut self, checked: Result<T, TooLarge>) -> Result<T, TooLarge> {
        self.lacked_room |= checked.is_err();
        checked
    }

    /// Returns about the memory of everything, with writes of this size and so many events of so many bytes.
    fn memory(&self, writes: writes::Size, events: usize, event_bytes: usize) -> usize {
        let entries = writes.keys + self.reads.count() + events;
        writes.bytes + writes.undo_bytes + self.reads.bytes() + event_bytes + entries * ENTRY_BYTES
    }

    /// Remembers a failure of the store.
    fn noted<T>(&mut self, result: Result<T, Stop>) -> Result<T, Stop> {
        match result {
            Err(Stop::Failed(error)) => {
                self.base = None;
                self.failure = Some(error);
                Err(Error::Unavailable.into())
            }
            other => other,
        }
    }
}

/// Waits for others, for half of the time that is left until `deadline`: so the handler can be told that it was in vain,
/// and it is not the handler that ran out of time.
async fn in_time<T>(deadline: Option<Instant>, wait: impl Future<Output = T>) -> Result<T, StateUnavailable> {
    let Some(deadline) = deadline else { return Ok(wait.await) };
    let patience = deadline.saturating_duration_since(Instant::now()) / 2;
    timeout(patience, wait).await.map_err(|_| StateUnavailable(Box::new(NotInTime)))
}
