//! The driver over a store in memory, on tokio's clock.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::*;
use crate::{
    delivery::Failure,
    double::{Subscription, World, name},
    lane::LANES,
    ports::{BoxFuture, LogRead},
    queue::{Producer, QueueLimits, queue},
    schedule::{Missed, ScheduleId, ScheduleSpec, Timing},
    subscription::{DETACHED_KEPT, Epoch, PauseReason, Problem, SubscriptionId, SubscriptionName, SubscriptionSpec},
    topic::Pattern,
};

/// A store, and handlers that do as they are told.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    world: World,
    slots: Vec<UnixMs>,
    /// How many deliveries panic before one does not.
    panics: usize,
    /// How long a delivery takes.
    takes: Duration,
    /// Whether every event is a dead letter.
    fails: bool,
    /// How far the time of day went on while the even clock stood still.
    slept: Duration,
}

impl Double {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics with the lock")
    }

    fn handled(&self, name: &SubscriptionName) -> Vec<i64> {
        let row = &self.lock().world.subscriptions[name];
        row.handled.iter().map(|event| event.seq.0).collect()
    }
}

impl EventLog for Double {
    fn head(&self) -> BoxFuture<'_, Result<Seq, PortError>> {
        Box::pin(async { Ok(self.lock().world.head()) })
    }

    fn read(&self, read: LogRead) -> BoxFuture<'_, Result<LogPage, PortError>> {
        Box::pin(async move { Ok(self.lock().world.read(&read)) })
    }

    fn find(&self, places: Vec<Seq>, bytes_max: usize) -> BoxFuture<'_, Result<FoundEvents, PortError>> {
        Box::pin(async move { Ok(self.lock().world.find(&places, bytes_max)) })
    }
}

impl ProgressStore for Double {
    fn open(&self, name: SubscriptionName, now: UnixMs) -> BoxFuture<'_, Result<Progress, PortError>> {
        Box::pin(async move { Ok(self.lock().world.open(&name, now)) })
    }

    fn close(&self, id: SubscriptionId, now: UnixMs) -> BoxFuture<'_, Result<(), PortError>> {
        self.lock().world.row(id).closed = Some(now);
        Box::pin(async { Ok(()) })
    }

    fn pause(&self, id: SubscriptionId, reason: PauseReason) -> BoxFuture<'_, Result<(), PortError>> {
        self.lock().world.row(id).paused = Some(reason);
        Box::pin(async { Ok(()) })
    }

    fn apply(&self, step: Step) -> BoxFuture<'_, Applied> {
        Box::pin(async move { if self.lock().world.apply(&step, &[]) { Applied::Done } else { Applied::Stale } })
    }

    fn open_schedule(
        &self,
        _: ScheduleName,
        _: Arc<str>,
        now: UnixMs,
    ) -> BoxFuture<'_, Result<ScheduleProgress, PortError>> {
        Box::pin(async move { Ok(ScheduleProgress { id: ScheduleId(1), done_to: now }) })
    }

    fn close_schedule(&self, _: ScheduleId) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Subscribers for Double {
    fn deliver(&self, delivery: Arc<Delivery>) -> BoxFuture<'static, Settled> {
        let double = self.clone();
        Box::pin(async move {
            let takes = double.lock().takes;
            sleep(takes).await;
            let mut inner = double.lock();
            if let Some(left) = inner.panics.checked_sub(1) {
                inner.panics = left;
                drop(inner);
                panic!("a port that is not well");
            }
            let (handled, failure) = match inner.fails {
                true => (0, Some(Failure::fatal(Problem::new("no", "never")))),
                false => (delivery.items.len(), None),
            };
            let conclusion = delivery.conclude(handled, failure, takes);
            let events: Vec<_> = delivery.items[..handled].iter().map(|item| Arc::clone(&item.event)).collect();
            match inner.world.apply(&conclusion.step, &events) {
                true => Settled::Committed(conclusion),
                false => Settled::Stale,
            }
        })
    }

    fn run_schedule(&self, run: ScheduleRun) -> BoxFuture<'static, Applied> {
        self.lock().slots.push(run.slot);
        Box::pin(async { Applied::Done })
    }
}

/// A driver that runs, and what is around it.
struct Setup {
    double: Double,
    published: Producer<Published>,
    handle: EventsHandle,
    stop: tokio::sync::oneshot::Sender<()>,
    driver: tokio::task::JoinHandle<()>,
}

fn start(items: usize) -> Setup {
    let double = Double::default();
    let (published, consumer) = queue(QueueLimits { items, bytes: usize::MAX });
    let port = Arc::new(double.clone());
    let (began, sleeper) = (Instant::now(), double.clone());
    let (handle, driver) = Driver::new(DriverParts {
        limits: Limits::default(),
        ports: Ports { log: port.clone(), progress: port.clone(), subscribers: port },
        published: consumer,
        clock: Arc::new(move || UnixMs(0).after(began.elapsed() + sleeper.lock().slept)),
        seed: 1,
    });
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let driver = tokio::spawn(driver.run(async {
        let _ = stopped.await;
    }));
    Setup { double, published, handle, stop, driver }
}

impl Setup {
    async fn declare(&self) {
        let spec = SubscriptionSpec { pattern: Pattern::new("*").expect("a pattern"), attempts: 12 };
        self.handle.declare("p".into(), vec![spec], Vec::new()).await.expect("few");
        while self.double.lock().world.subscriptions.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn publish(&self, count: usize) {
        for number in 0..count {
            let published = self.double.lock().world.publish("t", Some(&format!("key-{}", number % (2 * LANES))));
            // What does not fit is in the log.
            let _ = self.published.push(published, 1);
        }
    }

    async fn wait_for(&self, count: usize) {
        while self.double.handled(&name("p", "*")).len() < count {
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn end(self) {
        self.stop.send(()).expect("it runs");
        self.driver.await.expect("it does not panic");
    }
}

#[tokio::test(start_paused = true)]
async fn delivers_what_is_published_at_once() {
    let setup = start(1000);
    setup.declare().await;
    let began = Instant::now();
    setup.publish(1);
    setup.wait_for(1).await;
    assert!(began.elapsed() < Duration::from_millis(5), "{:?}", began.elapsed());
    setup.end().await;
}

#[tokio::test(start_paused = true)]
async fn delivers_everything_though_the_queue_is_full() {
    let setup = start(8);
    setup.declare().await;
    let began = Instant::now();
    setup.publish(5000);
    assert!(setup.published.counters().refused > 4000);
    setup.wait_for(5000).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    setup.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_panics_costs_a_look_at_the_store() {
    let setup = start(100);
    setup.declare().await;
    setup.double.lock().panics = 3;
    setup.publish(5);
    setup.wait_for(5).await;
    assert!(setup.handle.counters().await.expect("it runs").doubtful >= 1);
    setup.end().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_what_is_on_its_way_end_and_begins_nothing() {
    let setup = start(100);
    setup.declare().await;
    setup.double.lock().takes = Duration::from_secs(3);
    setup.publish(1);
    sleep(Duration::from_secs(1)).await;
    setup.publish(1);
    let double = setup.double.clone();
    let (handle, began) = (setup.handle.clone(), Instant::now());
    setup.end().await;
    assert_eq!(double.handled(&name("p", "*")), [1]);
    assert!(began.elapsed() <= Duration::from_secs(2));
    assert_eq!(handle.subscriptions().await, Err(Gone));
}

#[tokio::test(start_paused = true)]
async fn runs_schedules_by_the_clock() {
    let setup = start(100);
    let timing = Timing::every(Duration::from_mins(5)).expect("a distance");
    let spec = ScheduleSpec { handler: "tidy".into(), timing, missed: Missed::Skip };
    setup.handle.declare("p".into(), Vec::new(), vec![spec]).await.expect("few");
    sleep(Duration::from_mins(16)).await;
    let slots: Vec<_> = setup.double.lock().slots.iter().map(|slot| slot.0 / 60_000).collect();
    assert_eq!(slots, [5, 10, 15]);
    let schedules = setup.handle.schedules().await.expect("it runs");
    assert_eq!(schedules[0].next.map(|next| next.0 / 60_000), Some(20));
    assert_eq!(setup.handle.run_now(schedules[0].name.clone()).await, Ok(()));
    assert_eq!(setup.double.lock().slots.last(), Some(&UnixMs(16 * 60_000)));
    let handle = setup.handle.clone();
    setup.end().await;
    assert_eq!(handle.run_now(schedules[0].name.clone()).await, Err(Gone.into()));
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_dated_by_the_time_of_day() {
    const DAY: Duration = Duration::from_hours(24);
    let setup = start(100);
    setup.declare().await;
    let row = |read: fn(&Subscription) -> bool| read(&setup.double.lock().world.subscriptions[&name("p", "*")]);
    // The machine sleeps for two weeks, of which the even clock knows nothing.
    setup.double.lock().slept = 2 * DETACHED_KEPT;
    setup.double.lock().fails = true;
    setup.publish(1);
    while !row(|row| !row.dead.is_empty()) {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(row(|row| row.dead.values().all(|letter| letter.at >= UnixMs(0).after(2 * DETACHED_KEPT))));
    setup.handle.declare("p".into(), Vec::new(), Vec::new()).await.expect("none");
    while !row(|row| row.closed.is_some()) {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(row(|row| row.closed >= Some(UnixMs(0).after(2 * DETACHED_KEPT))));
    // It comes back within a week, and then after one.
    for (days, epoch) in [(6, Epoch(0)), (7, Epoch(1))] {
        setup.double.lock().slept += days * DAY;
        setup.declare().await;
        while !row(|row| row.closed.is_none()) {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(setup.double.lock().world.subscriptions[&name("p", "*")].epoch, epoch);
        setup.handle.declare("p".into(), Vec::new(), Vec::new()).await.expect("none");
        while !row(|row| row.closed.is_some()) {
            sleep(Duration::from_millis(1)).await;
        }
    }
    setup.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_declared_is_found_out_without_a_change() {
    let setup = start(100);
    setup.declare().await;
    let Limits { subscriptions, schedules, .. } = Limits::default();
    let check = |plugin: &str, subscriptions, schedules| setup.handle.check(plugin.into(), subscriptions, schedules);
    assert!(matches!(check("q", subscriptions, 0).await, Err(DeclareError::Subscriptions(_))));
    assert!(matches!(check("q", 0, schedules + 1).await, Err(DeclareError::Schedules(_))));
    assert!(check("q", subscriptions - 1, schedules).await.is_ok());
    // Its own are those that it would have then.
    assert!(check("p", subscriptions, schedules).await.is_ok());
    let views = setup.handle.subscriptions().await.expect("it runs");
    assert_eq!(views.iter().map(|view| &view.name).collect::<Vec<_>>(), [&name("p", "*")]);
    setup.end().await;
}
