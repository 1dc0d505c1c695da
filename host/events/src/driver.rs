//! The driver: joins the dispatcher and the timetable with the queue, the ports and the clock.
//!
//! One task, which never waits for a port: what is to be done runs in tasks of its own, as many as the state machines
//! allow. A port that panics is a port that failed. When it is told to stop, nothing new begins, and what is on its way
//! ends.

mod command;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, future::pending, pin::pin, sync::Arc};

use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use self::command::Command;
pub use self::command::{DeclareError, EventsHandle, Gone};
use crate::{
    delivery::{Conclusion, Delivery, Settled, Ticket},
    dispatcher::{Action, Dispatcher, Handle},
    event::{Published, Seq},
    limits::Limits,
    ports::{Applied, EventLog, FoundEvents, LogPage, PortError, ProgressStore, Subscribers},
    queue::{Consumer, Next},
    schedule::{ScheduleAction, ScheduleName, ScheduleProgress, ScheduleRun, Timetable},
    step::Step,
    subscription::Progress,
    time::UnixMs,
};

/// Commands that wait for the driver.
const COMMANDS_MAX: usize = 64;
/// Hints that are taken from the queue before the driver looks at anything else.
const HINTS_AT_ONCE: usize = 256;

/// The other side of the ports.
#[derive(Clone)]
pub struct Ports {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The progress of subscriptions and schedules.
    pub progress: Arc<dyn ProgressStore>,
    /// Those who handle.
    pub subscribers: Arc<dyn Subscribers>,
}

/// What a driver is made of.
pub struct DriverParts {
    /// What is bounded.
    pub limits: Limits,
    /// The other side of the ports.
    pub ports: Ports,
    /// Where commits say what they published.
    pub published: Consumer<Published>,
    /// Tells the time of day.
    pub clock: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// Begins the jitter of retries.
    pub seed: u64,
}

/// Delivers events and runs schedules until it is told to stop.
pub struct Driver {
    parts: DriverParts,
    commands: mpsc::Receiver<Command>,
}

/// What a task brought.
enum News {
    TailRead(Result<LogPage, PortError>),
    LaneRead(Ticket, Result<LogPage, PortError>),
    EventsFound(Ticket, Result<FoundEvents, PortError>),
    Settled(Ticket, Settled),
    Opened(Handle, Result<Progress, PortError>),
    Closed(Handle, Result<(), PortError>),
    ScheduleOpened(ScheduleName, Result<ScheduleProgress, PortError>),
    ScheduleRan(ScheduleRun, Applied),
    Nothing,
}

impl Driver {
    /// Makes a driver, and the handle to it.
    pub fn new(parts: DriverParts) -> (EventsHandle, Self) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        (EventsHandle::new(sender), Self { parts, commands })
    }

    /// Runs until `stop` is done, and until what is on its way then has ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops every delivery on its way; each is committed or not, and none twice.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let Self { parts, commands } = self;
        let head = tokio::select! {
            () = &mut stop => return,
            head = find_head(&parts) => head,
        };
        let mut running = Running::new(parts, commands, head);
        loop {
            running.act();
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = running.hear() => {}
            }
        }
        running.end().await;
    }
}

/// Asks for the end of the log until there is an answer.
async fn find_head(parts: &DriverParts) -> Seq {
    loop {
        match parts.ports.log.head().await {
            Ok(head) => return head,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the end of the event log cannot be read");
                sleep(parts.limits.postpone_cap).await;
            }
        }
    }
}

/// A driver that runs.
struct Running {
    dispatcher: Dispatcher,
    timetable: Timetable,
    ports: Ports,
    published: Consumer<Published>,
    /// `None` once nobody has a handle any more.
    commands: Option<mpsc::Receiver<Command>>,
    clock: Arc<dyn Fn() -> UnixMs + Send + Sync>,
    /// The time of day at `began`: the dispatcher's clock goes on evenly from there, whatever the other does.
    base: UnixMs,
    began: Instant,
    tasks: JoinSet<News>,
    /// What each task brings if it panics.
    on_panic: HashMap<Id, News>,
}

impl Running {
    fn new(parts: DriverParts, commands: mpsc::Receiver<Command>, head: Seq) -> Self {
        let base = (parts.clock)();
        Self {
            dispatcher: Dispatcher::new(parts.limits, parts.seed, head, base),
            timetable: Timetable::new(parts.limits.schedules, parts.limits.schedule_runs, base),
            ports: parts.ports,
            published: parts.published,
            commands: Some(commands),
            clock: parts.clock,
            base,
            began: Instant::now(),
            tasks: JoinSet::new(),
            on_panic: HashMap::new(),
        }
    }

    /// Returns the time by the dispatcher's clock, and tells it the time of day.
    ///
    /// The first decides when something is done. What is stored, and compared with the time of day by others or after a
    /// restart, is the second: the first stands still while the machine sleeps.
    fn now(&mut self) -> UnixMs {
        self.dispatcher.tell_time_of_day((self.clock)());
        self.base.after(self.began.elapsed())
    }

    /// Begins everything that can begin.
    fn act(&mut self) {
        let now = self.now();
        while let Some(action) = self.dispatcher.poll(now) {
            self.start(action);
        }
        let time_of_day = (self.clock)();
        while let Some(action) = self.timetable.poll(time_of_day) {
            self.start_schedule(action, time_of_day);
        }
    }

    /// Waits for anything that may change what can begin, and takes it in.
    async fn hear(&mut self) {
        let wakes_at = self.began + self.dispatcher.wakes_at().since(self.base);
        let wakes_at = wakes_at.min(Instant::now() + self.timetable.waits((self.clock)()));
        let next_command = async {
            match &mut self.commands {
                Some(commands) => commands.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
            command = next_command => match command {
                Some(command) => self.obey(command),
                None => self.commands = None,
            },
            next = self.published.next() => self.take_hints(next),
            () = sleep_until(wakes_at) => {}
        }
    }

    fn take_hints(&mut self, first: Next<Published>) {
        self.take_hint(first);
        for _ in 1..HINTS_AT_ONCE {
            let Some(next) = self.published.try_next() else { return };
            self.take_hint(next);
        }
    }

    fn take_hint(&mut self, next: Next<Published>) {
        match next {
            Next::Item(published) => self.dispatcher.published(published),
            Next::Lost(_) => self.dispatcher.lost(),
        }
    }

    fn joined(&mut self, joined: Result<(Id, News), JoinError>) {
        let news = match joined {
            Ok((id, news)) => {
                self.on_panic.remove(&id);
                news
            }
            Err(error) => {
                tracing::error!(%error, "a port panicked");
                self.on_panic.remove(&error.id()).unwrap_or(News::Nothing)
            }
        };
        let now = self.now();
        match news {
            News::TailRead(page) => self.dispatcher.tail_read(page, now),
            News::LaneRead(ticket, page) => self.dispatcher.lane_read(ticket, page, now),
            News::EventsFound(ticket, found) => self.dispatcher.events_found(ticket, found, now),
            News::Settled(ticket, settled) => self.dispatcher.settled(ticket, settled, now),
            News::Opened(handle, progress) => self.dispatcher.opened(handle, progress, now),
            News::Closed(handle, closed) => self.dispatcher.closed(handle, closed, now),
            News::ScheduleOpened(name, progress) => self.timetable.opened(&name, progress, (self.clock)()),
            News::ScheduleRan(run, applied) => self.timetable.ran(&run, applied, (self.clock)()),
            News::Nothing => {}
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Declare { plugin, subscriptions, schedules, done } => {
                let declared = self.declare(&plugin, &subscriptions, schedules, now);
                let _ = done.send(declared);
            }
            Command::Check { plugin, subscriptions, schedules, answer } => {
                let _ = answer.send(self.check(&plugin, subscriptions, schedules));
            }
            Command::Reload(name, heard) => {
                self.dispatcher.reload(&name, now);
                let _ = heard.send(());
            }
            Command::Subscriptions(answer) => {
                let _ = answer.send(self.dispatcher.views());
            }
            Command::Schedules(answer) => {
                let _ = answer.send(self.timetable.views((self.clock)()));
            }
            Command::RunNow(name, begun) => {
                let _ = begun.send(self.timetable.run_now(&name, (self.clock)()));
            }
            Command::Counters(answer) => {
                let _ = answer.send(self.dispatcher.counters());
            }
        }
    }

    fn start(&mut self, action: Action) {
        let Ports { log, progress, subscribers } = self.ports.clone();
        match action {
            Action::ReadTail(read) => {
                self.spawn(News::TailRead(panicked()), async move { News::TailRead(log.read(read).await) });
            }
            Action::ReadLane(ticket, read) => {
                let read = async move { News::LaneRead(ticket, log.read(read).await) };
                self.spawn(News::LaneRead(ticket, panicked()), read);
            }
            Action::FindEvents(ticket, places, bytes_max) => {
                let find = async move { News::EventsFound(ticket, log.find(places, bytes_max).await) };
                self.spawn(News::EventsFound(ticket, panicked()), find);
            }
            Action::Deliver(delivery) => self.deliver(&*subscribers, delivery),
            Action::Apply(ticket, step) => {
                let apply = async move { News::Settled(ticket, settled(progress.apply(step.clone()).await, step)) };
                self.spawn(News::Settled(ticket, Settled::Unknown), apply);
            }
            Action::Open(handle, name) => {
                let time_of_day = (self.clock)();
                let open = async move { News::Opened(handle, progress.open(name, time_of_day).await) };
                self.spawn(News::Opened(handle, panicked()), open);
            }
            Action::Close(handle, id) => {
                let time_of_day = (self.clock)();
                let close = async move { News::Closed(handle, progress.close(id, time_of_day).await) };
                self.spawn(News::Closed(handle, panicked()), close);
            }
            Action::Pause(id, reason) => self.spawn(News::Nothing, async move {
                if let Err(error) = progress.pause(id, reason).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "that a subscription is paused cannot be written: it goes on after a restart"
                    );
                }
                News::Nothing
            }),
        }
    }

    fn deliver(&mut self, subscribers: &dyn Subscribers, delivery: Arc<Delivery>) {
        let ticket = delivery.ticket;
        let delivered = subscribers.deliver(delivery);
        self.spawn(News::Settled(ticket, Settled::Unknown), async move { News::Settled(ticket, delivered.await) });
    }

    fn start_schedule(&mut self, action: ScheduleAction, now: UnixMs) {
        let Ports { progress, subscribers, .. } = self.ports.clone();
        match action {
            ScheduleAction::Open(name, timing) => {
                let on_panic = News::ScheduleOpened(name.clone(), panicked());
                self.spawn(on_panic, async move {
                    let opened = progress.open_schedule(name.clone(), timing, now).await;
                    News::ScheduleOpened(name, opened)
                });
            }
            ScheduleAction::Close(id) => self.spawn(News::Nothing, async move {
                if let Err(error) = progress.close_schedule(id).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a schedule cannot be closed");
                }
                News::Nothing
            }),
            ScheduleAction::Run(run) => {
                let on_panic = News::ScheduleRan(run.clone(), Applied::Unknown);
                let ran = subscribers.run_schedule(run.clone());
                self.spawn(on_panic, async move { News::ScheduleRan(run, ran.await) });
            }
        }
    }

    fn spawn(&mut self, on_panic: News, task: impl Future<Output = News> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.on_panic.insert(id, on_panic);
    }

    /// Lets what is on its way end. What it brings is known to the store.
    async fn end(mut self) {
        while let Some(joined) = self.tasks.join_next().await {
            if let Err(error) = joined {
                tracing::error!(%error, "a port panicked");
            }
        }
    }
}

fn settled(applied: Applied, step: Step) -> Settled {
    match applied {
        Applied::Done => Settled::Committed(Conclusion::of(step)),
        Applied::Stale => Settled::Stale,
        Applied::Unavailable => Settled::Postponed,
        Applied::Unknown => Settled::Unknown,
    }
}

fn panicked<T>() -> Result<T, PortError> {
    Err(PortError("it panicked".into()))
}
