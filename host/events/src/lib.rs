//! Decides which event goes to which subscriber when, and when a schedule is due.
//!
//! # The way of an event
//!
//! 1. A transaction publishes it. The store gives it its place in the log, its [`Seq`], with the commit. From here on it
//!    is never lost: everything below can be forgotten at any instant and is found again in the log.
//! 2. After the commit the store says so through the [`queue()`](queue): a [`Published`], which saves a read. When the
//!    queue is full, the event is handed back, and the dispatcher reads it from the log.
//! 3. The dispatcher finds the subscriptions whose [`Pattern`] matches its [`Topic`]. Each has 16 [`Lane`]s, and the
//!    event's key says in which it is. In a lane events are delivered in their order, a few at a time; lanes, and
//!    subscriptions, go side by side, and take turns where there is not room for all. Of a quick handler, lanes that have
//!    few go together in one delivery.
//! 4. A [`Delivery`] goes to the port [`Subscribers`]: the handler runs, [`Delivery::conclude`] makes of its outcome a
//!    [`Step`], and one commit holds the handler's writes and the step. The step names what it expects, so of two
//!    deliveries of one event, whatever made two of one, one commits.
//! 5. An event that fails waits in the subscription's retries, and with it, behind it, every later event of its key. The
//!    lane goes on. It is tried again with full jitter, and is a dead letter after its last attempt; then its key goes
//!    on without it. A handler that traps on one event after another is paused; its events stay where they are.
//!
//! A new subscription begins at the end of the log. One that is not declared any more keeps its place for
//! [`DETACHED_KEPT`]. One whose plugin is swapped goes on where it is, with the deliveries that are on their way. A
//! replay, a pause, a dead letter that is to be retried: the store changes the progress, one epoch on where cursors move,
//! and [`EventsHandle::reload`] has it read anew; what was on its way is refused by its step if it was overtaken.
//!
//! Schedules are run by the same driver: see [`Timing`], [`Missed`] and the rules in `schedule.rs`.
//!
//! # Who knows what
//!
//! Policy is here, as state machines without I/O (`dispatcher.rs`, `schedule/timetable.rs`); [`Driver`] joins them with
//! the queue, the clock and the ports ([`EventLog`], [`ProgressStore`], [`Subscribers`]), each of which says what has to
//! be one transaction. This crate does not know SQL, guests, HTTP, or who may publish what.
//!
//! # Bounds
//!
//! | What | Default | Where | When it is reached |
//! |---|---|---|---|
//! | Topic | 128 bytes, 8 segments of 64 bytes | [`Topic`] | refused |
//! | Key | 256 bytes | [`EventKey`] | refused |
//! | Queue from commit to dispatcher | the maker's choice, in items and bytes | [`QueueLimits`] | handed back; read from the log |
//! | Commands to the driver that wait | 64 | fixed | the caller waits |
//! | Hints taken before anything else is looked at | 256 | fixed | the rest waits |
//! | Newest events in memory | 8,192, 32 MiB | [`Limits::window_events`], [`Limits::window_bytes`] | the oldest are read from the log |
//! | Events of one read of the end of the log | 1,024, half of the window's bytes | fixed | the next read takes the rest |
//! | Subscriptions | 4,096 | [`Limits::subscriptions`] | [`TooManySubscriptions`] |
//! | Deliveries, reads and steps on their way | 64 | [`Limits::deliveries`] | wait for their turn |
//! | The same of one subscription | 16, and no more than it leaves free | [`Limits::deliveries_per_subscription`] | the same |
//! | Events of a delivery | 32, 1 MiB, one of any size | [`Limits::events_per_delivery`], [`Limits::bytes_per_delivery`] | the next delivery takes the rest |
//! | Lanes that go together in one delivery | 4, for 5 ms by what the handler took before | fixed | they go apart |
//! | Rows of retries in one step | 256 | [`ROWS_PER_STEP_MAX`] | the next step takes the rest |
//! | Retries of a subscription, of all; one plugin has half | 10,000, 100,000 | [`Limits::retries_per_subscription`], [`Limits::retries`] | its lanes stand still until there is room |
//! | Dead letters of a subscription | 10,000 | [`Limits::dead_letters_per_subscription`] | it is paused |
//! | Traps in a row, of different events | 10 | [`Limits::traps`] | it is paused |
//! | Attempts | 12, at most 100 | [`RetryPolicy`] | a dead letter |
//! | Delay of a retry | 15 min; 24 h where the handler asks for it | [`RetryPolicy`] | cut |
//! | Code and message of a failure | 64 and 1,024 bytes | [`Problem`] | cut |
//! | Waiting after a failure of a port | 5 s | [`Limits::postpone_cap`] | |
//! | Time without a look into the log | 5 s | [`Limits::tail_interval`] | |
//! | Time until an idle lane's cursor is written | 30 s | [`Limits::sweep_interval`] | |
//! | Progress of a subscription nobody declares | 7 days | [`DETACHED_KEPT`] | forgotten |
//! | Schedules | 1,024 | [`Limits::schedules`] | [`TooManySchedules`] |
//! | Runs of schedules on their way | 16, one of each schedule | [`Limits::schedule_runs`] | wait for a place |
//! | Distance of slots | 1 s to 366 days; a minute for cron | [`Timing`] | refused |
//! | Pattern and zone of a schedule | 128 and 64 bytes | [`Timing`] | refused |

mod delivery;
mod dispatcher;
#[cfg(test)]
mod double;
mod driver;
mod event;
mod lane;
mod limits;
mod ports;
mod queue;
mod retry;
mod schedule;
mod step;
mod subscription;
mod sync;
mod time;
mod topic;
mod window;

pub use self::{
    delivery::{Conclusion, Delivery, Failure, FailureKind, Item, Settled, Ticket},
    dispatcher::{DispatcherCounters, ROWS_PER_STEP_MAX, SubscriptionView, TooManySubscriptions},
    driver::{DeclareError, Driver, DriverParts, EventsHandle, Gone, Ports},
    event::{Event, EventKey, ParseKeyError, Published, Seq},
    lane::{LANES, Lane},
    limits::Limits,
    ports::{Applied, BoxFuture, EventLog, FoundEvents, LogPage, LogRead, PortError, ProgressStore, Subscribers},
    queue::{Consumer, Next, Producer, QueueCounters, QueueLimits, queue},
    retry::RetryPolicy,
    schedule::{
        MISSED_AFTER, Missed, ParseTimingError, RunNowError, ScheduleId, ScheduleName, ScheduleProgress, ScheduleRun,
        ScheduleSpec, ScheduleStep, ScheduleView, Timing, TooManySchedules,
    },
    step::{CursorStep, RetryStep, Step},
    subscription::{
        DETACHED_KEPT, DeadLetter, Epoch, PauseReason, Problem, Progress, RetryRow, SubscriptionId, SubscriptionName,
        SubscriptionSpec,
    },
    time::UnixMs,
    topic::{ParsePatternError, ParseTopicError, Pattern, Shape, Topic},
};
