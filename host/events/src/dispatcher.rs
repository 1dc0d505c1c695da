//! The dispatcher: which event goes to which subscription when. A state machine without I/O.
//!
//! What happens is told to it (an event is published, a page was read, a delivery has ended), time and chance are handed
//! in, and [`Dispatcher::poll`] says what to do next. `driver.rs` joins it with the world.
//!
//! - One piece of work of a lane, and one of a chain, is on its way at a time. That keeps the order within a key.
//! - What is remembered of a subscription is what the store said, and the steps that it committed since. Where an answer
//!   leaves doubt, nothing new begins, what is on its way ends, and the progress is read anew.
//! - The window and its hints save reads. Whatever of them is lost, `tail.rs` and the lanes read it from the log.
//! - A subscription takes at most as much of what is free as it leaves (dynamic thresholds; Choudhury and Hahne 1998), so
//!   the slow ones among many never hold all places.

mod active;
mod chains;
mod join;
mod plan;
mod registry;
mod rows;
mod settle;
mod start;
mod tail;
#[cfg(test)]
mod tests;
mod turns;
mod view;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use self::{active::Active, chains::ChainName, registry::Entry, rows::Rows, tail::Tail, turns::Turns};
pub use self::{
    registry::TooManySubscriptions,
    view::{DispatcherCounters, SubscriptionView},
};
use crate::{
    delivery::{Delivery, Ticket},
    event::Seq,
    lane::{Lane, LaneSet},
    limits::Limits,
    ports::LogRead,
    retry::Random,
    step::Step,
    subscription::{PauseReason, SubscriptionId, SubscriptionName},
    time::UnixMs,
    topic::PatternIndex,
    window::Window,
};

/// Most rows of retries in one step.
pub const ROWS_PER_STEP_MAX: usize = 256;

/// The dispatcher's number for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Handle(pub(crate) u64);

/// What is to be done. Each one is answered by the method that it names.
#[derive(Debug)]
pub(crate) enum Action {
    /// Read the log for all: [`Dispatcher::tail_read`].
    ReadTail(LogRead),
    /// Read the log for a lane: [`Dispatcher::lane_read`].
    ReadLane(Ticket, LogRead),
    /// Find events: [`Dispatcher::events_found`].
    FindEvents(Ticket, Vec<Seq>, usize),
    /// Deliver: [`Dispatcher::settled`].
    Deliver(Arc<Delivery>),
    /// Apply a step: [`Dispatcher::settled`].
    Apply(Ticket, Step),
    /// Open a subscription: [`Dispatcher::opened`].
    Open(Handle, SubscriptionName),
    /// Close a subscription: [`Dispatcher::closed`].
    Close(Handle, SubscriptionId),
    /// Pause a subscription. There is no answer: it is not served again, written or not.
    Pause(SubscriptionId, PauseReason),
}

/// The dispatcher.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    limits: Limits,
    random: Random,
    window: Window,
    tail: Tail,
    names: HashMap<SubscriptionName, Handle>,
    entries: HashMap<Handle, Entry>,
    /// Those that listen.
    index: PatternIndex,
    turns: Turns,
    /// What is on its way.
    work: HashMap<Ticket, Work>,
    /// The next handle or ticket.
    next_number: u64,
    outbox: VecDeque<Action>,
    /// Rows of retries of all subscriptions.
    rows: Rows,
    /// Those whose lanes stand still because of that.
    starved: BTreeSet<Handle>,
    sweep_at: UnixMs,
    /// The time of day when it was last told: what dead letters are dated by. Nothing is decided by it.
    time_of_day: UnixMs,
    counters: DispatcherCounters,
    /// Kept to be used again.
    found: Vec<Handle>,
}

/// A piece of work on its way.
#[derive(Debug)]
struct Work {
    handle: Handle,
    kind: Kind,
    /// Rows of retries that it may add.
    reserved: usize,
}

#[derive(Debug)]
enum Kind {
    /// A lane that is read from the log, with the delivery that comes of it, or of which events only wait.
    Lane(Lane),
    /// A delivery of events in memory.
    Lanes(LaneSet),
    /// Rows of a chain, with the attempts that were made.
    Chain(ChainName, Vec<(Seq, u32)>),
    /// Cursors that lag.
    Sweep(LaneSet),
}

impl Dispatcher {
    /// Begins at the end of the log, with nobody who listens.
    pub(crate) fn new(limits: Limits, seed: u64, head: Seq, now: UnixMs) -> Self {
        Self {
            random: Random(seed),
            window: Window::new(head, limits.window_events, limits.window_bytes),
            tail: Tail::new(now.after(limits.tail_interval)),
            names: HashMap::new(),
            entries: HashMap::new(),
            index: PatternIndex::default(),
            turns: Turns::default(),
            work: HashMap::new(),
            next_number: 0,
            outbox: VecDeque::new(),
            rows: Rows::default(),
            starved: BTreeSet::new(),
            sweep_at: now.after(limits.sweep_interval),
            time_of_day: now,
            counters: DispatcherCounters::default(),
            found: Vec::new(),
            limits,
        }
    }

    /// Says what time of day it is, which need not go on as evenly as the `now` of everything else.
    pub(crate) fn tell_time_of_day(&mut self, time_of_day: UnixMs) {
        self.time_of_day = time_of_day;
    }

    /// Returns what is to be done next; `None` when nothing is before [`Dispatcher::wakes_at`] or the next news.
    pub(crate) fn poll(&mut self, now: UnixMs) -> Option<Action> {
        loop {
            if let Some(action) = self.outbox.pop_front() {
                return Some(action);
            }
            self.watch_clock(now);
            if !self.outbox.is_empty() {
                continue;
            }
            if self.work.len() >= self.limits.deliveries.max(1) {
                return None;
            }
            let handle = self.turns.next()?;
            self.take_turn(handle, now);
        }
    }

    /// Returns when [`Dispatcher::poll`] has something to say without any news.
    pub(crate) fn wakes_at(&self) -> UnixMs {
        let timer = self.turns.next_timer().into_iter();
        timer.chain(self.tail.looks_at()).chain([self.sweep_at]).min().unwrap_or(self.sweep_at)
    }

    fn watch_clock(&mut self, now: UnixMs) {
        while let Some(handle) = self.turns.due(now) {
            self.reconcile(handle, now);
            self.turns.queue(handle);
        }
        if self.sweep_at <= now {
            self.sweep_at = now.after(self.limits.sweep_interval);
            for (handle, active) in
                self.entries.iter_mut().filter_map(|(handle, entry)| Some((handle, entry.active_mut()?)))
            {
                active.sweep = true;
                self.turns.queue(*handle);
            }
        }
        self.look_at_tail(now);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Returns the progress of a subscription that is served.
    fn served(&mut self, handle: Handle) -> Option<&mut Active> {
        self.entries.get_mut(&handle).filter(|entry| entry.is_served()).and_then(Entry::active_mut)
    }
}
