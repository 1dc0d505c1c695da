//! A dispatcher, a store in memory, and a clock: everything that the dispatcher asks for happens after a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::super::{Action, Dispatcher};
use crate::{
    delivery::{Conclusion, Delivery, Failure, Settled},
    double::World,
    event::Event,
    limits::Limits,
    ports::PortError,
    subscription::{Problem, SubscriptionSpec},
    time::UnixMs,
    topic::Pattern,
};

/// What a handler makes of a delivery: how long it takes, how many events it handles, and why not the next.
pub(super) type Outcome = (Duration, usize, Option<Failure>);

/// How the end of a piece of work goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not.
    None,
    /// The store is full.
    Postponed,
    /// It is committed, and the answer is lost.
    AnswerLost,
    /// It is not committed, and nobody says so.
    Unknown,
}

pub(super) struct Simulation {
    pub(super) dispatcher: Dispatcher,
    pub(super) world: World,
    pub(super) now: UnixMs,
    pub(super) limits: Limits,
    pub(super) handler: Box<dyn FnMut(&Delivery) -> Outcome>,
    /// How long reads and steps take.
    pub(super) latency: Box<dyn FnMut() -> Duration>,
    pub(super) fault: Box<dyn FnMut() -> Fault>,
    /// Whether a handler's effects and its step are one commit. If not, a kill comes between the two.
    pub(super) is_atomic: bool,
    pending: BTreeMap<(UnixMs, u64), Pending>,
    count: u64,
    /// The most deliveries that were on their way at once.
    pub(super) in_flight_max: usize,
}

struct Pending {
    action: Action,
    /// Of a delivery.
    outcome: Option<(usize, Option<Failure>)>,
}

pub(super) fn retry() -> Option<Failure> {
    Some(Failure::retry(None, Problem::new("no", "not now")))
}

pub(super) fn trap() -> Option<Failure> {
    Some(Failure::trap(Problem::new("trap", "unreachable")))
}

pub(super) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Simulation {
    pub(super) fn new(limits: Limits) -> Self {
        let now = UnixMs(1_000_000);
        let world = World::default();
        Self {
            dispatcher: Dispatcher::new(limits, 7, world.head(), now),
            world,
            now,
            limits,
            handler: Box::new(|delivery| (millis(1), delivery.items.len(), None)),
            latency: Box::new(|| millis(1)),
            fault: Box::new(|| Fault::None),
            is_atomic: true,
            pending: BTreeMap::new(),
            count: 0,
            in_flight_max: 0,
        }
    }

    pub(super) fn declare(&mut self, plugin: &str, patterns: &[&str]) {
        let spec =
            |pattern: &&str| SubscriptionSpec { pattern: Pattern::new(pattern).expect("a pattern"), attempts: 12 };
        let specs: Vec<_> = patterns.iter().map(spec).collect();
        self.dispatcher.declare(&plugin.into(), &specs, self.now).expect("few");
    }

    /// Commits an event and says so.
    pub(super) fn publish(&mut self, topic: &str, key: Option<&str>) {
        let published = self.world.publish(topic, key);
        self.dispatcher.published(published);
    }

    /// Goes on for a while.
    pub(super) fn run(&mut self, time: Duration) {
        self.run_until(|_| false, time);
    }

    /// Goes on until something holds, and returns how long that took.
    #[track_caller]
    pub(super) fn run_until(&mut self, done: impl Fn(&Self) -> bool, at_most: Duration) -> Option<Duration> {
        let (began, end) = (self.now, self.now.after(at_most));
        loop {
            while let Some(action) = self.dispatcher.poll(self.now) {
                self.begin(action);
            }
            if done(self) {
                return Some(self.now.since(began));
            }
            let next = self.pending.first_key_value().map(|((at, _), _)| *at);
            let next = next.into_iter().chain([self.dispatcher.wakes_at()]).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return None;
            }
            self.now = self.now.max(next);
            while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let pending = entry.remove();
                self.end(&pending);
            }
        }
    }

    /// The process is killed: what is on its way is committed or not, and the memory is lost.
    pub(super) fn kill(&mut self, mut is_committed: impl FnMut() -> bool) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            if is_committed() {
                let is_cut = !self.is_atomic;
                self.commit(&pending, is_cut);
            }
        }
        self.dispatcher = Dispatcher::new(self.limits, self.count, self.world.head(), self.now);
    }

    /// Returns whether nothing is on its way but a look at the end of the log.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.values().all(|pending| matches!(pending.action, Action::ReadTail(_)))
    }

    fn begin(&mut self, action: Action) {
        let (time, outcome) = match &action {
            Action::Deliver(delivery) => {
                let (time, handled, failure) = (self.handler)(delivery);
                (time, Some((handled, failure)))
            }
            _ => ((self.latency)(), None),
        };
        self.count += 1;
        self.pending.insert((self.now.after(time), self.count), Pending { action, outcome });
        self.in_flight_max = self.in_flight_max.max(self.pending.len());
    }

    fn end(&mut self, pending: &Pending) {
        let fault = match &pending.action {
            Action::Pause(..) => Fault::None,
            _ => (self.fault)(),
        };
        let now = self.now;
        let is_failed = matches!(fault, Fault::Postponed | Fault::Unknown);
        let refuse = || PortError("not now".into());
        match &pending.action {
            Action::ReadTail(read) => {
                let page = self.world.read(read);
                self.dispatcher.tail_read(if is_failed { Err(refuse()) } else { Ok(page) }, now);
            }
            Action::ReadLane(ticket, read) => {
                let page = self.world.read(read);
                self.dispatcher.lane_read(*ticket, if is_failed { Err(refuse()) } else { Ok(page) }, now);
            }
            Action::FindEvents(ticket, places, bytes_max) => {
                let found = self.world.find(places, *bytes_max);
                self.dispatcher.events_found(*ticket, if is_failed { Err(refuse()) } else { Ok(found) }, now);
            }
            Action::Open(handle, name) => {
                let progress = if is_failed { Err(refuse()) } else { Ok(self.world.open(name, now)) };
                self.dispatcher.opened(*handle, progress, now);
            }
            Action::Close(handle, id) => {
                if !is_failed {
                    self.world.row(*id).closed = Some(now);
                }
                self.dispatcher.closed(*handle, if is_failed { Err(refuse()) } else { Ok(()) }, now);
            }
            Action::Pause(id, reason) => self.world.row(*id).paused = Some(*reason),
            Action::Deliver(_) | Action::Apply(..) => {
                let settled = match fault {
                    Fault::None => self.commit(pending, false).map_or(Settled::Stale, Settled::Committed),
                    Fault::AnswerLost => {
                        self.commit(pending, false);
                        Settled::Unknown
                    }
                    Fault::Postponed => Settled::Postponed,
                    Fault::Unknown => Settled::Unknown,
                };
                let ticket = match &pending.action {
                    Action::Deliver(delivery) => delivery.ticket,
                    Action::Apply(ticket, _) => *ticket,
                    other => panic!("{other:?} is not committed"),
                };
                self.dispatcher.settled(ticket, settled, now);
            }
        }
    }

    /// Commits the end of a piece of work, if it has one. `None` when it is stale, or cut between effects and step.
    fn commit(&mut self, pending: &Pending, is_cut: bool) -> Option<Conclusion> {
        let (conclusion, events) = match (&pending.action, &pending.outcome) {
            (Action::Deliver(delivery), Some((handled, failure))) => {
                let conclusion = delivery.conclude(*handled, failure.clone(), self.now.since(delivery.began));
                let events: Vec<Arc<Event>> =
                    delivery.items.iter().take(*handled).map(|item| Arc::clone(&item.event)).collect();
                (conclusion, events)
            }
            (Action::Apply(_, step), _) => (Conclusion::of(step.clone()), Vec::new()),
            _ => return None,
        };
        if is_cut {
            self.world.row(conclusion.step.subscription).handled.extend(events);
            return None;
        }
        self.world.apply(&conclusion.step, &events).then_some(conclusion)
    }
}
