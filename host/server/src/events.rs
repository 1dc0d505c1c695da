//! Events: the one door to their log, and to whoever delivers them.
//!
//! [`Events`] joins the store's log with the driver of `backplane-events`. Surfaces publish through it and look at the
//! log; the supervisor says with [`Events::declare`] what the live plugins handle.
//!
//! - What is published is committed first, and told to the driver and to followers then, over queues that nobody waits
//!   for ([`Feed`], [`Tail`]).
//! - A subscription begins where the log ends when its plugin goes live.
//! - At shutdown nothing new is begun at once, and what is on its way has the time that requests have.
//!
//! It does not know who may publish, follow or manage what, and no status of HTTP.

mod declaration;
mod event_id;
mod feed;
mod head;
mod publish;
mod retention;
#[cfg(test)]
pub(crate) mod test_events;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use backplane_events::{
    DeclareError, DispatcherCounters, Driver, DriverParts, EventsHandle, Gone, Limits, Ports, QueueCounters,
    RunNowError, ScheduleName, ScheduleView, Seq, SubscriptionName, SubscriptionView, UnixMs,
};
use backplane_store::{Connection, Pending, Store, StoreError, events as stored};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(crate) use self::event_id::new_event_id;
use self::head::Head;
pub use self::{
    declaration::{Declaration, DeclarationError, Declared},
    feed::{Feed, Feeding, Tail},
    publish::{Accepted, Publish, PublishError, ReplyToKeep},
    retention::Retention,
};
use crate::{
    adapters::{LivePlugins, Reading, StoredEvents, StoredProgress},
    clock::Clock,
    live::Live,
    problem::Chain,
};

/// Reads of the log for deliveries at a time: each is short, and a second one would only wait for the first one's disk.
const DELIVERY_READS_MAX: usize = 1;
/// Reads for people at a time, apart from those for deliveries.
const OPERATOR_READS_MAX: usize = 1;

/// Events: what surfaces and the supervisor ask of them.
pub struct Events {
    /// To the driver.
    handle: EventsHandle,
    /// How the queue to the driver is doing.
    feed: Feed,
    /// The newest place of the log.
    head: Arc<Head>,
    /// The log.
    store: Arc<Store>,
    /// Reads it for people.
    reading: Reading,
    /// What time an event is of that says none.
    clock: Clock,
    /// How long an answer to a request that published is kept.
    reply_ttl: Duration,
}

/// What delivers, until it is run.
pub struct Delivering {
    driver: Driver,
}

/// What was done about events since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCounters {
    /// Of the queue from commit to driver.
    pub queue: QueueCounters,
    /// Of the driver.
    pub dispatcher: DispatcherCounters,
}

/// What events are made of.
pub struct EventsParts {
    /// The log.
    pub store: Arc<Store>,
    /// Who handles.
    pub live: Arc<Live>,
    /// What the store was opened with.
    pub feeding: Feeding,
    /// The time of day.
    pub clock: Clock,
    /// How long an answer to a request that published is kept.
    pub reply_ttl: Duration,
    /// Whether steps are committed after the effects that they belong to. Only a test wants that.
    pub step_apart: bool,
}

impl Events {
    /// Joins the log with those who handle.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn start(parts: EventsParts) -> Result<(Self, Delivering), StoreError> {
        let EventsParts { store, live, feeding: Feeding { feed, head, published }, clock, reply_ttl, step_apart } =
            parts;
        let reading = Reading::new(Arc::clone(&store), OPERATOR_READS_MAX);
        head.note(reading.read(stored::event_head).await?);
        let log = StoredEvents(Reading::new(Arc::clone(&store), DELIVERY_READS_MAX));
        let (handle, driver) = Driver::new(DriverParts {
            limits: Limits::default(),
            ports: Ports {
                log: Arc::new(log),
                progress: Arc::new(StoredProgress(Arc::clone(&store))),
                subscribers: Arc::new(LivePlugins { live, step_apart }),
            },
            published,
            clock: Arc::new(move || UnixMs(clock.now().as_millisecond())),
            // It spreads retries over time, and nothing secret hangs on it.
            seed: u64::try_from(clock.now().as_nanosecond()).unwrap_or_default(),
        });
        let delivering = Delivering { driver };
        Ok((Self { handle, feed, head, store, reading, clock, reply_ttl }, delivering))
    }

    /// Returns the newest place of the log: that of every event whose publisher was answered, or further.
    pub fn head(&self) -> Seq {
        self.head.newest()
    }

    /// Returns the newest place of the log for somebody who names one: who has read an event in the database knows its
    /// place a moment before [`Events::head`] has it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn head_for(&self, named: Seq) -> Result<Seq, StoreError> {
        let head = self.head();
        if named <= head {
            return Ok(head);
        }
        Ok(Seq(self.read(stored::event_head).await?).max(head))
    }

    /// Runs a query of the log, or of who is how far in it, on one snapshot.
    ///
    /// # Errors
    /// As `query`, and when the database cannot be read.
    ///
    /// # Cancel safety
    /// A query that was begun runs to its end.
    pub async fn read<T, E>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.reading.read(query).await
    }

    /// Changes who is how far, as [`Store::write`]. The driver is told with [`Events::reload`] afterwards.
    pub fn write<T, E>(&self, change: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Pending<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.store.write(change)
    }

    /// Says that the store holds another progress of a subscription than before.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn reload(&self, name: SubscriptionName) -> Result<(), Gone> {
        self.handle.reload(name).await
    }

    /// Returns every subscription of the live plugins, as the driver knows it.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn subscriptions(&self) -> Result<Vec<SubscriptionView>, Gone> {
        self.handle.subscriptions().await
    }

    /// Returns every schedule of the live plugins.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>, Gone> {
        self.handle.schedules().await
    }

    /// Runs a schedule now.
    ///
    /// # Errors
    /// When there is no such schedule, when it cannot run now, or when the server is stopping.
    pub async fn run_now(&self, name: ScheduleName) -> Result<(), RunNowError> {
        self.handle.run_now(name).await
    }

    /// Returns what was done.
    ///
    /// # Errors
    /// When the server is stopping.
    pub async fn counters(&self) -> Result<EventCounters, Gone> {
        Ok(EventCounters { queue: self.feed.counters(), dispatcher: self.handle.counters().await? })
    }

    /// Says what the live version of a plugin handles: everything of it, and nothing where the plugin is gone. Only the
    /// supervisor does, and one declaration after another.
    ///
    /// # Errors
    /// When there would be too many subscriptions or schedules, or the server is stopping. Nothing changes then.
    pub async fn declare(&self, plugin: &str, declaration: &Declaration) -> Result<(), DeclareError> {
        let Declaration { subscriptions, schedules } = declaration;
        // Before anything is opened: what is open and nobody's keeps events from being deleted.
        self.handle.check(plugin.into(), subscriptions.len(), schedules.len()).await?;
        self.open(plugin, declaration).await;
        self.handle.declare(plugin.into(), subscriptions.clone(), schedules.clone()).await
    }

    /// Gives new subscriptions their place in the log now: what is published from here on is for them. The driver opens
    /// them all the same; where the store cannot be written now, they begin when it can.
    async fn open(&self, plugin: &str, declaration: &Declaration) {
        if declaration.subscriptions.is_empty() {
            return;
        }
        let (name, now) = (plugin.to_owned(), self.clock.unix_ms().0);
        let patterns: Vec<_> = declaration.subscriptions.iter().map(|spec| spec.pattern.clone()).collect();
        let opened = self.store.write(move |connection| {
            let open = |pattern: &backplane_events::Pattern| {
                stored::open_subscription(connection, &name, pattern.as_str(), now).map(drop)
            };
            patterns.iter().try_for_each(open)
        });
        if let Err(error) = opened.await {
            let error = Chain(&error).to_string();
            tracing::warn!(plugin, error, "subscriptions cannot be opened: trying again and again");
        }
    }

    /// Closes what earlier processes left open and nobody declares: `declared` says whether somebody does.
    ///
    /// # Errors
    /// When the store cannot be read or written. What is left open keeps events from being deleted.
    pub async fn close_undeclared(&self, declares: impl Fn(&str, &Declared<'_>) -> bool) -> Result<(), StoreError> {
        let (subscriptions, schedules) = self
            .read(|connection| {
                let open = stored::list_open_subscriptions(connection)?;
                Ok::<_, StoreError>((open, stored::list_schedules(connection)?))
            })
            .await?;
        let left =
            subscriptions.into_iter().filter(|(_, plugin, pattern)| !declares(plugin, &Declared::Pattern(pattern)));
        let left: Vec<_> = left.map(|(id, _, _)| id).collect();
        let unscheduled = schedules.into_iter().filter(|row| !declares(&row.plugin, &Declared::Handler(&row.handler)));
        let unscheduled: Vec<_> = unscheduled.map(|row| row.id).collect();
        if left.is_empty() && unscheduled.is_empty() {
            return Ok(());
        }
        tracing::info!(subscriptions = left.len(), schedules = unscheduled.len(), "closed: no plugin declares them");
        let now = self.clock.unix_ms().0;
        let closed = self.store.write(move |connection| {
            left.iter().try_for_each(|id| stored::close_subscription(connection, *id, now))?;
            unscheduled.iter().try_for_each(|id| stored::close_schedule(connection, *id))
        });
        closed.await
    }
}

impl Delivering {
    /// Delivers until the process is told to stop, and then until what is on its way has ended, for `grace` at most.
    pub async fn run(self, shutdown: CancellationToken, grace: Duration) {
        let Self { driver } = self;
        let cut = async {
            shutdown.cancelled().await;
            sleep(grace).await;
        };
        tokio::select! {
            () = driver.run(shutdown.cancelled()) => {}
            () = cut => tracing::warn!("deliveries that are still on their way are cut; they are made again"),
        }
    }
}
