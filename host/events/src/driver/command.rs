//! What the server says to the driver, and asks it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Running;
use crate::{
    dispatcher::{DispatcherCounters, SubscriptionView, TooManySubscriptions},
    schedule::{RunNowError, ScheduleName, ScheduleSpec, ScheduleView, TooManySchedules},
    subscription::{SubscriptionName, SubscriptionSpec},
    time::UnixMs,
};

/// What the server says to the driver.
pub(super) enum Command {
    Declare {
        plugin: Arc<str>,
        subscriptions: Vec<SubscriptionSpec>,
        schedules: Vec<ScheduleSpec>,
        done: oneshot::Sender<Result<(), DeclareError>>,
    },
    Check {
        plugin: Arc<str>,
        subscriptions: usize,
        schedules: usize,
        answer: oneshot::Sender<Result<(), DeclareError>>,
    },
    Reload(SubscriptionName, oneshot::Sender<()>),
    Subscriptions(oneshot::Sender<Vec<SubscriptionView>>),
    Schedules(oneshot::Sender<Vec<ScheduleView>>),
    RunNow(ScheduleName, oneshot::Sender<Result<(), RunNowError>>),
    Counters(oneshot::Sender<DispatcherCounters>),
}

/// Why a plugin's subscriptions and schedules are not declared, or may not be. Nothing of them changed.
#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    /// There are too many subscriptions.
    #[error(transparent)]
    Subscriptions(#[from] TooManySubscriptions),
    /// There are too many schedules.
    #[error(transparent)]
    Schedules(#[from] TooManySchedules),
    /// The driver has ended.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// The driver has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events are not delivered any more")]
pub struct Gone;

/// The handle to a driver.
#[derive(Debug, Clone)]
pub struct EventsHandle {
    commands: mpsc::Sender<Command>,
}

impl EventsHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Says what the live generation of a plugin subscribes to and schedules: all of it, and nothing where it is gone.
    /// What stays goes on undisturbed, also where another generation is live now.
    ///
    /// # Errors
    /// When there would be too many subscriptions or schedules, or the driver has ended. Nothing changes then.
    pub async fn declare(
        &self,
        plugin: Arc<str>,
        subscriptions: Vec<SubscriptionSpec>,
        schedules: Vec<ScheduleSpec>,
    ) -> Result<(), DeclareError> {
        self.ask(|done| Command::Declare { plugin, subscriptions, schedules, done }).await?
    }

    /// Finds out whether a plugin may declare so many subscriptions and schedules. Changes nothing; the answer holds
    /// until somebody declares something.
    ///
    /// # Errors
    /// As [`EventsHandle::declare`] of so many.
    pub async fn check(&self, plugin: Arc<str>, subscriptions: usize, schedules: usize) -> Result<(), DeclareError> {
        self.ask(|answer| Command::Check { plugin, subscriptions, schedules, answer }).await?
    }

    /// Says that the store holds another progress of a subscription than before: it was paused, resumed or replayed, or
    /// a dead letter of it is to be retried. What is on its way ends first. On return, nothing else begins by what was
    /// before.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn reload(&self, name: SubscriptionName) -> Result<(), Gone> {
        self.ask(|heard| Command::Reload(name, heard)).await
    }

    /// Returns every subscription, by name.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn subscriptions(&self) -> Result<Vec<SubscriptionView>, Gone> {
        self.ask(Command::Subscriptions).await
    }

    /// Returns every schedule, by name.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>, Gone> {
        self.ask(Command::Schedules).await
    }

    /// Begins a run of a schedule at once, whatever its slots are. What comes of it is in the store.
    ///
    /// # Errors
    /// When the schedule is not there, runs already or cannot run now, or the driver has ended.
    pub async fn run_now(&self, name: ScheduleName) -> Result<(), RunNowError> {
        self.ask(|begun| Command::RunNow(name, begun)).await?
    }

    /// Returns what the dispatcher did since it began.
    ///
    /// # Errors
    /// When the driver has ended.
    pub async fn counters(&self) -> Result<DispatcherCounters, Gone> {
        self.ask(Command::Counters).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Gone> {
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_closed| Gone)?;
        answer.await.map_err(|_dropped| Gone)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Declare { .. } => "Declare",
            Self::Check { .. } => "Check",
            Self::Reload(..) => "Reload",
            Self::Subscriptions(_) => "Subscriptions",
            Self::Schedules(_) => "Schedules",
            Self::RunNow(..) => "RunNow",
            Self::Counters(_) => "Counters",
        })
    }
}

impl Running {
    pub(super) fn check(&self, plugin: &Arc<str>, subscriptions: usize, schedules: usize) -> Result<(), DeclareError> {
        self.timetable.check(plugin, schedules)?;
        Ok(self.dispatcher.check(plugin, subscriptions)?)
    }

    pub(super) fn declare(
        &mut self,
        plugin: &Arc<str>,
        subscriptions: &[SubscriptionSpec],
        schedules: Vec<ScheduleSpec>,
        now: UnixMs,
    ) -> Result<(), DeclareError> {
        self.timetable.check(plugin, schedules.len())?;
        self.dispatcher.declare(plugin, subscriptions, now)?;
        Ok(self.timetable.declare(plugin, schedules, (self.clock)())?)
    }
}
