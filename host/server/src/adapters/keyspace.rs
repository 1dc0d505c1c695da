//! One plugin's state: the runtime's keyspace over the store's space.
//!
//! There is one [`PluginState`] for each live plugin, and all its calls share it. A call whose answer is to be kept has
//! a [`Recorded`] of its own around it; a delivery of events and a run of a schedule have theirs (`delivered.rs`).

use std::{
    fmt,
    future::ready,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

use backplane_runtime::{
    PluginName, Response,
    keyspace::{
        BoxFuture, CommitError, KeyRange, Keyspace, Moment, Order, Outcome, Row, Rows, Snapshot, StateUnavailable,
        Transaction,
    },
};
use backplane_store::{Commit, NewReply, Quota, Reply, ReplyKey, Space, Store, StoreError};

use super::{translate, translate_events};
use crate::{clock::Clock, dispatch::check_response, events::new_event_id};

/// One plugin's part of the store.
pub struct PluginState {
    store: Arc<Store>,
    plugin: PluginName,
    /// Whose the events are that it publishes.
    source: Arc<str>,
    quota: Quota,
    clock: Clock,
    /// How long an answer is kept.
    reply_ttl: Duration,
    /// Empty until the store has given the plugin its place.
    space: OnceLock<Arc<Space>>,
}

/// The store has not given the plugin its place, and is asked again and again.
#[derive(Debug, thiserror::Error)]
#[error("the store could not be opened for plugin `{0}`")]
struct NotOpened(PluginName);

/// Under what an answer is kept, and for which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyRecord {
    /// Who called; empty for nobody in particular.
    pub principal: String,
    /// Method and path of the route.
    pub route: String,
    /// What the client chose.
    pub key: String,
    /// What the request was.
    pub fingerprint: [u8; 32],
}

impl PluginState {
    /// Makes the state of `plugin`. It cannot be used before it is opened.
    pub fn new(store: Arc<Store>, plugin: PluginName, quota: Quota, clock: Clock, reply_ttl: Duration) -> Self {
        let source = format!("/plugins/{plugin}").into();
        Self { store, plugin, source, quota, clock, reply_ttl, space: OnceLock::new() }
    }

    /// Gives the plugin its place in the store, if it has none yet. Blocks: call it where a thread may wait.
    ///
    /// # Errors
    /// When the store cannot be written. Calls are answered `state_unavailable` until it can.
    pub fn open(&self) -> Result<(), StoreError> {
        if self.space.get().is_none() {
            // The supervisor is a task, though on a thread of its own.
            let space = tokio::task::block_in_place(|| self.store.space(self.plugin.as_str(), self.quota))?;
            self.space.get_or_init(|| space);
        }
        Ok(())
    }

    /// Returns whether it can be used.
    pub fn is_open(&self) -> bool {
        self.space.get().is_some()
    }

    /// Finds the answer that is kept under the name of `record`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_reply(&self, record: &ReplyRecord) -> Result<Option<Reply>, StateUnavailable> {
        let mut snapshot =
            self.store.snapshot(self.space()?, || self.now_ms()).await.map_err(translate::unavailable)?;
        snapshot.find_reply(record.name()).map_err(translate::unavailable)
    }

    fn space(&self) -> Result<&Arc<Space>, StateUnavailable> {
        self.space.get().ok_or_else(|| translate::unavailable(NotOpened(self.plugin.clone())))
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Hands a transaction to the writer, completed with what else is to be true with it.
    pub(super) fn submit(
        &self,
        transaction: Transaction,
        complete: impl FnOnce(&mut Commit) -> Result<(), CommitError>,
    ) -> BoxFuture<'static, Result<(), CommitError>> {
        let mark = transaction.mark.clone();
        let commit = self.commit_of(transaction).and_then(|mut commit| complete(&mut commit).map(|()| commit));
        match commit.and_then(|commit| self.store.commit(commit).map_err(translate::commit_error)) {
            Ok(pending) => Box::pin(async { pending.await.map(drop).map_err(translate::commit_error) }),
            Err(error) => {
                if let Some(mark) = mark {
                    mark.store(REFUSED, Ordering::Release);
                }
                Box::pin(ready(Err(error)))
            }
        }
    }

    fn commit_of(&self, transaction: Transaction) -> Result<Commit, CommitError> {
        let space = self.space().map_err(|StateUnavailable(source)| CommitError::Unavailable(source))?;
        let Transaction { snapshot, now_ms, reads, ranges, writes, events, mark } = transaction;
        let now_ms = now_ms.unwrap_or_else(|| self.now_ms());
        let to_stored = |event| translate_events::new_event(event, &self.source, now_ms);
        let events = events.into_iter().map(to_stored).collect::<Result<_, _>>();
        Ok(Commit {
            snapshot,
            reads: reads.into_iter().map(translate::key_read).collect(),
            ranges: ranges.into_iter().map(translate::range_read).collect(),
            writes: writes.into_iter().map(translate::key_write).collect(),
            events: events.map_err(|error| CommitError::Refused(Box::new(error)))?,
            mark,
            ..Commit::new(Arc::clone(space), now_ms)
        })
    }
}

/// Nothing is written for an answer that cannot be sent.
fn require_sendable(outcome: Outcome<'_>) -> Result<Option<&Response>, CommitError> {
    let Outcome::Answer(answer) = outcome else { return Ok(None) };
    check_response(answer).map_err(|fault| CommitError::Refused(Box::new(fault)))?;
    Ok(Some(answer))
}

impl fmt::Debug for PluginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginState({})", self.plugin)
    }
}

/// What a mark says of a transaction that came to nothing.
const REFUSED: i64 = -1;

impl Keyspace for PluginState {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        Box::pin(async {
            let snapshot = self.store.snapshot(self.space()?, || self.now_ms()).await;
            Ok(Box::new(Opened(snapshot.map_err(translate::unavailable)?)) as Box<dyn Snapshot>)
        })
    }

    fn moment(&self) -> Option<Moment> {
        self.store.recent_sequence().map(|sequence| Moment { sequence, now_ms: self.now_ms() })
    }

    fn find_recent(&self, moment: Moment, bucket: &str, key: &[u8]) -> Option<Row> {
        let Moment { sequence, now_ms } = moment;
        self.store.find_recent(self.space.get()?, bucket, key, sequence, now_ms).map(translate::row)
    }

    fn records_answer(&self) -> bool {
        false
    }

    fn new_event_id(&self) -> String {
        new_event_id()
    }

    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        self.submit(transaction, |_| require_sendable(outcome).map(drop))
    }
}

/// The state of a plugin for one call, whose answer is kept with what it commits.
pub struct Recorded {
    /// The plugin's.
    pub state: Arc<PluginState>,
    /// Under what the answer is kept.
    pub record: ReplyRecord,
}

impl Keyspace for Recorded {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Snapshot>, StateUnavailable>> {
        self.state.snapshot()
    }

    fn moment(&self) -> Option<Moment> {
        self.state.moment()
    }

    fn find_recent(&self, moment: Moment, bucket: &str, key: &[u8]) -> Option<Row> {
        self.state.find_recent(moment, bucket, key)
    }

    fn records_answer(&self) -> bool {
        true
    }

    fn new_event_id(&self) -> String {
        self.state.new_event_id()
    }

    fn commit(&self, transaction: Transaction, outcome: Outcome<'_>) -> BoxFuture<'static, Result<(), CommitError>> {
        self.state.submit(transaction, |commit| {
            let answer = require_sendable(outcome)?;
            commit.reply = answer.map(|answer| self.record.to_reply(answer, commit.now_ms, self.state.reply_ttl));
            Ok(())
        })
    }
}

impl ReplyRecord {
    /// Returns under what the store keeps the answer.
    pub(crate) fn name(&self) -> ReplyKey<'_> {
        ReplyKey { principal: &self.principal, route: &self.route, key: &self.key }
    }

    /// Makes what is kept of an answer, for `ttl`.
    pub(crate) fn to_reply(&self, answer: &Response, now_ms: i64, ttl: Duration) -> NewReply {
        let reply = Reply {
            fingerprint: self.fingerprint.to_vec(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
        };
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        NewReply::new(self.name(), reply, now_ms.saturating_add(ttl_ms))
    }
}

/// The store's snapshot, as the runtime reads it.
struct Opened(backplane_store::Snapshot);

impl Snapshot for Opened {
    fn sequence(&self) -> i64 {
        self.0.sequence()
    }

    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Row>, StateUnavailable> {
        let found = self.0.get(bucket, key).map_err(translate::unavailable)?;
        Ok(found.map(translate::row))
    }

    fn list(
        &mut self,
        bucket: &str,
        range: &KeyRange,
        order: Order,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<Rows, StateUnavailable> {
        let (range, order) = (translate::range(range.clone()), translate::order(order));
        let listed = self.0.list(bucket, &range, order, rows_max, bytes_max).map_err(translate::unavailable)?;
        Ok(translate::rows(listed))
    }
}

#[cfg(test)]
mod tests;
