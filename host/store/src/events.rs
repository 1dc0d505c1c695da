//! Events: the log, who is how far in it, and what runs by the clock.
//!
//! Events and steps are written as parts of a [`Commit`](crate::Commit). Everything else here are functions over one
//! connection, to be called in a transaction: through [`Store::write`](crate::Store::write) and
//! [`Store::read`](crate::Store::read).
//!
//! - A sequence is handed out once, in the order of commits: an event that becomes visible has a greater one than every
//!   event that was visible before.
//! - An event and everything else of its commit are there together or not at all, and so are a subscriber's writes and
//!   its step.
//! - Nothing is deleted that a subscription did not take, or that waits as a retry or a dead letter.
//! - Everything has a bound: the log in bytes, all in all and by publisher; subscriptions and schedules where a row is
//!   added; retries and dead letters where they are moved, and by the policy that makes the steps.
//!
//! It does not know what a topic or a key may look like, whom an event is delivered to, or what time it is.

mod collect;
mod dead_letters;
mod event;
mod log;
mod overview;
mod retries;
mod schedules;
pub(crate) mod step;
mod subscriptions;

pub use self::{
    collect::{CollectedEvents, HeldBy, RetentionLimits},
    dead_letters::{
        Dead, DeadLetterQuery, Retried, drop_dead_letters, find_dead_letter, list_dead_letters, retry_dead_letters,
    },
    event::{Event, NewEvent, Published, PublishedHook},
    log::{FoundEvents, LogPage, LogRead, Topics, event_head, events_kept_from, find_events, read_events},
    overview::{
        Lag, SubscriptionQuery, SubscriptionStatus, find_subscription, find_subscription_by_name, list_subscriptions,
    },
    retries::RETRIES_PER_SUBSCRIPTION_MAX,
    schedules::{
        OpenScheduleError, SCHEDULES_MAX, Schedule, ScheduleProgress, close_schedule, find_schedule, list_schedules,
        open_schedule,
    },
    step::{CursorStep, DeadLetter, Problem, RetryRow, RetryStep, ScheduleRun, ScheduleStep, Step},
    subscriptions::{
        DETACHED_KEPT_MS, OpenSubscriptionError, Progress, ReplayFrom, SUBSCRIPTIONS_MAX, close_subscription,
        list_open_subscriptions, open_subscription, pause_subscription, replay_subscription, resume_subscription,
    },
};
pub(crate) use self::{
    collect::{Step as CollectStep, collect, delete_detached},
    log::{append, find_given, head},
    step::StepError,
};

/// Lanes of the log.
pub const LANES: usize = 16;
