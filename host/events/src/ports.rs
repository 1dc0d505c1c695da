//! The ports: what the dispatcher needs from a store and from subscribers. The server joins them.
//!
//! What each method has to do in one transaction is said at the method. A method that cannot do its work answers with
//! an error and is asked again later; none may take forever, and a delivery's end is bounded by its handler's deadline.

use std::{pin::Pin, sync::Arc};

use crate::{
    delivery::{Delivery, Settled},
    event::{Event, Seq},
    lane::Lane,
    schedule::{ScheduleId, ScheduleName, ScheduleProgress, ScheduleRun},
    step::Step,
    subscription::{PauseReason, Progress, SubscriptionId, SubscriptionName},
    time::UnixMs,
    topic::Pattern,
};

/// What a port's method returns: a future on the heap, so that the port is a plain object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A port could not do its work now.
#[derive(Debug, thiserror::Error)]
#[error("what was asked cannot be done now")]
pub struct PortError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Events to read from the log.
#[derive(Debug, Clone)]
pub struct LogRead {
    /// Those of one lane that match a pattern; all where it is `None`.
    pub of: Option<(Lane, Pattern)>,
    /// Those behind this one.
    pub after: Seq,
    /// At most so many.
    pub events_max: usize,
    /// At most so many bytes ([`Event::bytes`]), but one event where there is one.
    pub bytes_max: usize,
}

/// Events of the log, in their order.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// Up to here nothing that was asked for is missing. The last event where there are more behind it; else the newest
    /// event of the whole log, or [`LogRead::after`] where that is further.
    pub end: Seq,
    /// Whether there are more behind it.
    pub more: bool,
    /// Every event before this one may have been deleted by age or size. [`Seq::ZERO`] while none was.
    pub kept_from: Seq,
}

/// Places of the log and their events; `None` is an event that is no longer kept.
pub type FoundEvents = Vec<(Seq, Option<Arc<Event>>)>;

/// The log of events.
///
/// Sequences are handed out in the order of commits: an event that becomes visible has a greater one than every event
/// that was visible before.
pub trait EventLog: Send + Sync {
    /// Returns the newest event's place, [`Seq::ZERO`] without any.
    fn head(&self) -> BoxFuture<'_, Result<Seq, PortError>>;

    /// Reads a page. Events, end and what is kept are of one moment (one read transaction).
    fn read(&self, read: LogRead) -> BoxFuture<'_, Result<LogPage, PortError>>;

    /// Finds events by their places, in the order asked for. The answer may be shorter than the question when it would
    /// pass `bytes_max`, but has one entry at least.
    fn find(&self, places: Vec<Seq>, bytes_max: usize) -> BoxFuture<'_, Result<FoundEvents, PortError>>;
}

/// The progress of subscriptions.
///
/// A person changes it too. The store does that by itself, each in one transaction, and
/// [`EventsHandle::reload`](crate::EventsHandle::reload) tells the dispatcher afterwards:
/// - **pause** and **resume** set and clear the pause.
/// - **replay** from an event: the epoch is one more, every cursor beyond that place moves back to it, and the retries
///   and dead letters of later events are deleted, because the log delivers them again. From a time: the place before
///   the first event of that time or later.
/// - **retry a dead letter**: it becomes a row of retries, with no attempts and due at once, whatever any clock shows.
///   One whose event is beyond its lane's cursor is only deleted: the log delivers it.
/// - **drop a dead letter**: it is deleted.
pub trait ProgressStore: Send + Sync {
    /// Says that a subscription is declared, and returns its progress. `now` is the time of day. One transaction:
    /// - A new one begins at the end of the log: all cursors at the newest event's place.
    /// - One that was closed for longer than [`DETACHED_KEPT`](crate::DETACHED_KEPT) begins anew: as a new one, its
    ///   epoch one more, its retries deleted, its dead letters kept, its pause lifted.
    /// - Any other goes on where it is, and is not closed any more.
    fn open(&self, name: SubscriptionName, now: UnixMs) -> BoxFuture<'_, Result<Progress, PortError>>;

    /// Says that a subscription is not declared any more, since `now`, the time of day. Its progress stays for
    /// [`DETACHED_KEPT`](crate::DETACHED_KEPT); until then the log keeps what it did not take.
    fn close(&self, id: SubscriptionId, now: UnixMs) -> BoxFuture<'_, Result<(), PortError>>;

    /// Pauses a subscription that is not paused, durably.
    fn pause(&self, id: SubscriptionId, reason: PauseReason) -> BoxFuture<'_, Result<(), PortError>>;

    /// Applies a step that no handler's writes belong to. One transaction, under the rules of [`Step`]; the answer comes
    /// after it is on disk.
    fn apply(&self, step: Step) -> BoxFuture<'_, Applied>;

    /// Says that a schedule is declared, and returns its progress. One transaction: a new one, and one whose spelling
    /// (`timing`) is another than before, is dealt with up to `now`.
    fn open_schedule(
        &self,
        name: ScheduleName,
        timing: Arc<str>,
        now: UnixMs,
    ) -> BoxFuture<'_, Result<ScheduleProgress, PortError>>;

    /// Says that a schedule is not declared any more: it may be deleted.
    fn close_schedule(&self, id: ScheduleId) -> BoxFuture<'_, Result<(), PortError>>;
}

/// What became of a step on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is on disk.
    Done,
    /// Something is not as it expects. Nothing changed.
    Stale,
    /// Nothing changed; the store is full or unavailable.
    Unavailable,
    /// Nobody can say.
    Unknown,
}

/// Those who handle events and schedules.
pub trait Subscribers: Send + Sync {
    /// Delivers: runs the handler for the items of `delivery` in their order until one fails, works out the step with
    /// [`Delivery::conclude`], and commits what the handled ones wrote and published together with that step, or, where
    /// the first one failed, the step alone. One transaction.
    ///
    /// - The handler is that of the generation that is live when the delivery comes, and stays that to its end.
    /// - A conflict with another call is no failure: the run is repeated, or the delivery [`Settled::Postponed`].
    /// - A step that the store refuses is [`Settled::Stale`], and nothing is committed.
    /// - The permits for this are its own: neither do requests wait for deliveries nor deliveries for requests.
    fn deliver(&self, delivery: Arc<Delivery>) -> BoxFuture<'static, Settled>;

    /// Runs a schedule's handler, and commits what it wrote and published together with [`ScheduleRun::step`], or, where
    /// it failed, the step alone. One transaction. Returns what became of the commit.
    fn run_schedule(&self, run: ScheduleRun) -> BoxFuture<'static, Applied>;
}
