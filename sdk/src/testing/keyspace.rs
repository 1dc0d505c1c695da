//! The plugin's state and the log of events, kept by the thread: what `kv` and `events` find where there is no host.
//!
//! A request that is sent through the plugin is one transaction, as on a host: it commits when the handler answers
//! `Ok`, is discarded when it answers `Err` or panics, and runs again when what it read has changed meanwhile. What a
//! test reads and writes itself stands at once. Nothing here knows a clock: time is moved by the test.

mod media_type;
mod publishing;
mod range;
mod rows;
mod rules;
mod transaction;

use std::cell::RefCell;
use std::time::Duration;

pub(crate) use publishing::events;
pub use publishing::{Published, published};
pub(super) use publishing::{publish_as, with_log};
use rows::{Refusal, Rows};
pub(super) use rules::matches;
use transaction::Transaction;
pub(super) use transaction::{Access, Scope};

use crate::bindings::http::backplane::plugin::kv as wire;
use crate::{Problem, Result};

struct Keyspace {
    rows: Rows,
    /// What is published and committed, in order.
    log: Vec<Published>,
    /// How many ids were given to events.
    ids: u64,
    now_ms: i64,
    is_available: bool,
    /// The call that runs; none while only the test does.
    call: Option<Transaction>,
}

thread_local! {
    static KEYSPACE: RefCell<Keyspace> = const { RefCell::new(Keyspace {
        rows: Rows::new(),
        log: Vec::new(),
        ids: 0,
        now_ms: 0,
        is_available: true,
        call: None,
    }) };
}

fn change<T>(change: impl FnOnce(&mut Keyspace) -> T) -> T {
    KEYSPACE.with_borrow_mut(change)
}

/// Lets time pass for keys that were set for a time. The clock stands still otherwise.
pub fn advance_clock(time: Duration) {
    let time_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    change(|keyspace| {
        keyspace.now_ms = keyspace.now_ms.saturating_add(time_ms);
        keyspace.rows.expire(keyspace.now_ms);
    });
}

/// Sets how many keys, and how many bytes of them and of their values, the plugin's calls may leave behind. A million
/// keys and 256 MiB, unless set. What the test itself writes is counted, and not refused.
pub fn set_state_quota(keys: u64, bytes: u64) {
    change(|keyspace| keyspace.rows.set_quota(keys, bytes));
}

/// Sets whether the store can be read and written, to see what a plugin makes of a store that fails. It can, unless set.
pub fn set_state_available(is_available: bool) {
    change(|keyspace| keyspace.is_available = is_available);
}

/// Why a call did not commit.
pub(super) enum Fault<E = Problem> {
    /// The handler answered with a failure.
    Handler(E),
    /// What it wrote cannot be committed.
    Commit(Problem),
    /// The store fails.
    Unavailable,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Handler(problem) | Fault::Commit(problem) => problem,
            Fault::Unavailable => unavailable(),
        }
    }
}

/// Returns the test's time.
pub(super) fn now_ms() -> i64 {
    change(|keyspace| keyspace.now_ms)
}

/// Runs a handler as one call. What `meanwhile` does happens between the handler's first run and its commit.
pub(super) fn run<T, E>(
    scope: Scope<'_>,
    handler: impl Fn() -> Result<T, E>,
    meanwhile: impl FnOnce(),
) -> Result<T, Fault<E>> {
    let mut meanwhile = Some(meanwhile);
    loop {
        let call = Call::begin(scope);
        let outcome = handler();
        let transaction = call.end();
        if let Some(meanwhile) = meanwhile.take() {
            meanwhile();
        }
        if transaction.has_failed() {
            return Err(Fault::Unavailable);
        }
        let response = outcome.map_err(Fault::Handler)?;
        match change(|keyspace| keyspace.commit(transaction)) {
            Ok(()) => return Ok(response),
            Err(Refusal::Conflict) => {}
            Err(Refusal::Failure(problem)) => return Err(Fault::Commit(problem)),
            Err(Refusal::Unavailable) => return Err(Fault::Unavailable),
        }
    }
}

/// Answers as a host whose store fails.
pub(super) fn unavailable() -> Problem {
    Problem::new(503, "state_unavailable", "the plugin's state cannot be used now")
}

/// Runs something without a transaction, as `#[init]` does.
pub(super) fn run_without<T>(run: impl FnOnce() -> T) -> T {
    let _call = Call::begin(Scope { access: Access::None, publishes: &[] });
    run()
}

/// A call that runs. What it wrote is gone when it is dropped, as it is when a handler panics.
struct Call {
    before: Option<Transaction>,
}

impl Call {
    fn begin(scope: Scope<'_>) -> Self {
        let before = change(|keyspace| keyspace.call.replace(Transaction::begin(scope, keyspace.now_ms)));
        Self { before }
    }

    fn end(self) -> Transaction {
        change(|keyspace| keyspace.call.take()).expect("a call stays where it began until it is dropped")
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let before = self.before.take();
        change(|keyspace| keyspace.call = before);
    }
}

impl Keyspace {
    fn commit(&mut self, mut transaction: Transaction) -> Result<(), Refusal> {
        if transaction.changes_nothing() {
            return Ok(());
        }
        if !self.is_available {
            return Err(Refusal::Unavailable);
        }
        let events = transaction.take_events();
        self.rows.commit(transaction)?;
        self.log.extend(events);
        Ok(())
    }

    /// Does something in the call that runs, or at once when there is none.
    fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Transaction, &Rows) -> Result<T, wire::Error>,
    ) -> Result<T, wire::Error> {
        if let Some(call) = &mut self.call {
            return act(call, &self.rows);
        }
        let mut transaction = Transaction::begin(Scope { access: Access::Write, publishes: &[] }, self.now_ms);
        let outcome = act(&mut transaction, &self.rows)?;
        self.rows.commit_at_once(transaction).map_err(|_| wire::Error::NotAnInteger)?;
        Ok(outcome)
    }

    /// Does something that needs the store's answer.
    fn read<T>(
        &mut self,
        read: impl FnOnce(&mut Transaction, &Rows) -> Result<T, wire::Error>,
    ) -> Result<T, wire::Error> {
        let is_available = self.is_available;
        self.act(|transaction, rows| {
            transaction.require(Access::Read)?;
            if !is_available {
                return Err(transaction.fail());
            }
            read(transaction, rows)
        })
    }

    fn write(&mut self, write: impl FnOnce(&mut Transaction) -> Result<(), wire::Error>) -> Result<(), wire::Error> {
        self.act(|transaction, _| {
            transaction.require(Access::Write)?;
            write(transaction)
        })
    }
}

/// Stands in for the interface `kv`.
pub(crate) mod kv {
    use super::range::Range;
    use super::wire::{Error, Order, Page};
    use super::{change, rules};

    pub(crate) fn get(bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        change(|keyspace| {
            keyspace.read(|transaction, rows| {
                rules::check_bucket(bucket)?;
                rules::check_key(key)?;
                transaction.get(rows, bucket, key)
            })
        })
    }

    pub(crate) fn get_many(bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        change(|keyspace| {
            keyspace.read(|transaction, rows| {
                rules::check_bucket(bucket)?;
                rules::check_keys(keys)?;
                let values = keys.iter().map(|key| transaction.get(rows, bucket, key));
                rules::check_values(values.collect::<Result<_, _>>()?)
            })
        })
    }

    pub(crate) fn set(bucket: &str, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
        change(|keyspace| {
            keyspace.write(|transaction| {
                rules::check_bucket(bucket)?;
                rules::check_key(key)?;
                rules::check_value(value)?;
                transaction.set(bucket, key, value, ttl_ms)
            })
        })
    }

    pub(crate) fn delete(bucket: &str, key: &str) -> Result<(), Error> {
        change(|keyspace| {
            keyspace.write(|transaction| {
                rules::check_bucket(bucket)?;
                rules::check_key(key)?;
                transaction.delete(bucket, key)
            })
        })
    }

    pub(crate) fn increment(bucket: &str, key: &str, by: i64) -> Result<(), Error> {
        change(|keyspace| {
            keyspace.write(|transaction| {
                rules::check_bucket(bucket)?;
                rules::check_key(key)?;
                transaction.increment(bucket, key, by)
            })
        })
    }

    pub(crate) fn list(
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        order: Order,
    ) -> Result<Page, Error> {
        change(|keyspace| {
            keyspace.read(|transaction, rows| {
                rules::check_bucket(bucket)?;
                rules::check_position(prefix)?;
                rules::check_position(after.unwrap_or_default())?;
                transaction.list(rows, Range::new(bucket, prefix, after, order), limit)
            })
        })
    }
}
