//! What begins in a turn: a delivery of retries that are due, of a lane, or a sweep of cursors.

use std::sync::Arc;

use super::{
    Action, Dispatcher, Handle, Kind, ROWS_PER_STEP_MAX, Work,
    plan::{Plan, Portion, plan},
};
use crate::{
    delivery::{Delivery, Item, LanePart, Settled, Ticket, Way},
    event::{Event, Seq},
    lane::Lane,
    ports::{FoundEvents, LogPage, LogRead, PortError},
    step::{CursorStep, RetryStep, Step},
    subscription::{DeadLetter, Problem, RetryRow},
    time::UnixMs,
};

/// Rows of retries that there must be room for before a lane goes on: the event that fails and one that waits.
const ROWS_MIN: usize = 2;

impl Dispatcher {
    /// Begins one piece of work of a subscription, if there is one.
    pub(super) fn take_turn(&mut self, handle: Handle, now: UnixMs) {
        let free = self.limits.deliveries.max(1).saturating_sub(self.work.len());
        let share = self.limits.deliveries_per_subscription.max(1).min(free);
        let Some(active) = self.served(handle) else { return };
        if active.paused.is_some() {
            return;
        }
        if active.blocked_until > now {
            let at = active.blocked_until;
            return self.turns.arm(handle, Some(at));
        }
        if active.in_flight >= share {
            return self.turns.hold(handle);
        }
        let retries_first = std::mem::replace(&mut active.prefers_retries, false);
        let has_begun = self.start_sweep(handle)
            || (retries_first && self.start_chain(handle, now))
            || self.start_lane(handle, now)
            || self.start_chain(handle, now);
        if has_begun {
            self.turns.queue(handle);
        } else if let Some(active) = self.served(handle) {
            let at = active.wakes_at();
            self.turns.arm(handle, at);
        }
    }

    fn start_sweep(&mut self, handle: Handle) -> bool {
        let end = self.window.end();
        let Some(active) = self.served(handle) else { return false };
        if !std::mem::replace(&mut active.sweep, false) {
            return false;
        }
        let Some((step, lanes)) = active.sweep(end) else { return false };
        lanes.iter().for_each(|lane| active.busy.insert(lane));
        let ticket = self.begin(handle, Kind::Sweep(lanes), 0);
        self.outbox.push_back(Action::Apply(ticket, step));
        true
    }

    fn start_chain(&mut self, handle: Handle, now: UnixMs) -> bool {
        let rows_max = self.limits.events_per_delivery.clamp(1, ROWS_PER_STEP_MAX);
        let Some(active) = self.served(handle) else { return false };
        let Some((name, rows)) = active.chains.take(now, rows_max) else { return false };
        let places = rows.iter().map(|(seq, _)| *seq).collect();
        let ticket = self.begin(handle, Kind::Chain(name, rows), 0);
        self.outbox.push_back(Action::FindEvents(ticket, places, self.limits.bytes_per_delivery));
        true
    }

    /// Begins with the next lane that has something to do.
    fn start_lane(&mut self, handle: Handle, now: UnixMs) -> bool {
        loop {
            let room = self.room(handle);
            let Some(active) = self.served(handle) else { return false };
            let Some(lane) = active.next_lane() else { return false };
            if room < ROWS_MIN {
                self.starved.insert(handle);
                return false;
            }
            let position = active.positions[lane];
            active.busy.insert(lane);
            active.prefers_retries = true;
            if !self.window.covers(position) {
                self.read_lane(handle, lane, position);
                return true;
            }
            let portion = self.portion(room);
            let Some(plan) = self.plan_lane(handle, lane, portion) else { return false };
            if !plan.run.is_empty() {
                self.deliver_joined(handle, (lane, plan), portion, now);
                return true;
            }
            let ticket = self.begin(handle, Kind::Lane(lane), plan.held.len() + 1);
            if self.carry_out(ticket, handle, lane, plan, now) {
                return true;
            }
            // Nothing of it was for this subscription.
            self.finish(ticket, now);
        }
    }

    fn read_lane(&mut self, handle: Handle, lane: Lane, position: Seq) {
        let Some(pattern) = self.entries.get(&handle).map(|entry| entry.name.pattern.clone()) else { return };
        let ticket = self.begin(handle, Kind::Lane(lane), ROWS_MIN);
        self.counters.lane_reads += 1;
        self.outbox.push_back(Action::ReadLane(
            ticket,
            LogRead {
                of: Some((lane, pattern)),
                after: position,
                events_max: self.limits.events_per_delivery.max(1),
                bytes_max: self.limits.bytes_per_delivery,
            },
        ));
    }

    /// The log was read for a lane.
    pub(crate) fn lane_read(&mut self, ticket: Ticket, page: Result<LogPage, PortError>, now: UnixMs) {
        let Some((handle, lane)) = self.work.get(&ticket).and_then(Work::lane) else { return };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the event log cannot be read");
                return self.settled(ticket, Settled::Postponed, now);
            }
        };
        self.reserve(ticket, 0);
        let portion = self.portion(self.room(handle));
        let Some(entry) = self.entries.get(&handle) else { return };
        let Some(active) = entry.active().filter(|active| entry.is_served() && active.paused.is_none()) else {
            return self.finish(ticket, now);
        };
        let position = active.positions[lane];
        if page.kept_from > Seq(position.0.saturating_add(1)) {
            tracing::warn!(
                plugin = &*entry.name.plugin, pattern = %entry.name.pattern,
                after = position.0, kept_from = page.kept_from.0, "events may have been deleted before they were handled"
            );
        }
        let is_new = |event: &&Arc<Event>| event.seq > position && event.lane == lane;
        let events = page.events.iter().filter(is_new).filter(|event| entry.name.pattern.matches(&event.topic));
        let plan = plan(events, page.end.max(position), |key| active.chains.holds(key), portion);
        self.reserve(ticket, plan.held.len() + 1);
        if !self.carry_out(ticket, handle, lane, plan, now) {
            self.finish(ticket, now);
        }
    }

    /// Begins what a plan says. Returns whether there was anything; if not, the lane is where the plan ends.
    fn carry_out(&mut self, ticket: Ticket, handle: Handle, lane: Lane, plan: Plan, now: UnixMs) -> bool {
        let end = self.window.end();
        let Some(active) = self.served(handle) else { return false };
        let from = active.cursors[lane];
        let Plan { run, held, to } = plan;
        if run.is_empty() && held.is_empty() {
            active.advance(lane, to, end);
            return false;
        }
        if run.is_empty() {
            let mut step = Step::new(active.id, active.epoch);
            step.cursors.push(CursorStep { lane, from, to });
            step.retries.extend(held.into_iter().map(RetryStep::Insert));
            self.outbox.push_back(Action::Apply(ticket, step));
            return true;
        }
        let items: Vec<_> = run.into_iter().map(Item::first).collect();
        let part = LanePart { lane, from, to, items: items.len(), held };
        self.deliver(ticket, handle, items, Way::Lanes(vec![part]), now);
        true
    }

    /// The events of a chain were found.
    pub(crate) fn events_found(&mut self, ticket: Ticket, found: Result<FoundEvents, PortError>, now: UnixMs) {
        let Some((handle, rows)) = self.work.get(&ticket).and_then(Work::rows) else { return };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the event log cannot be read");
                return self.settled(ticket, Settled::Postponed, now);
            }
        };
        let Some((id, epoch)) = self.served(handle).filter(|a| a.paused.is_none()).map(|a| (a.id, a.epoch)) else {
            return self.finish(ticket, now);
        };
        let items: Vec<_> = rows
            .iter()
            .zip(&found)
            .map_while(|((seq, attempts), (found, event))| {
                let event = event.clone().filter(|_| seq == found)?;
                Some(Item { event, attempt: attempts.saturating_add(1) })
            })
            .collect();
        if !items.is_empty() {
            return self.deliver(ticket, handle, items, Way::Chain, now);
        }
        match (rows.first(), found.first()) {
            (Some((seq, attempts)), Some((found, None))) if seq == found => {
                let key = self.work.get(&ticket).and_then(Work::key);
                let row = RetryRow { seq: *seq, key: key.clone(), attempts: *attempts, due: UnixMs(0), problem: None };
                let problem = Problem::new("event_deleted", "the event was deleted from the log before it was handled");
                let mut step = Step::new(id, epoch);
                let at = self.time_of_day;
                step.dead_letters.push(DeadLetter { seq: *seq, key, attempts: *attempts, at, problem });
                step.retries.push(RetryStep::Remove(row));
                self.outbox.push_back(Action::Apply(ticket, step));
            }
            _ => self.settled(ticket, Settled::Postponed, now),
        }
    }

    pub(super) fn deliver(&mut self, ticket: Ticket, handle: Handle, items: Vec<Item>, way: Way, now: UnixMs) {
        let random = self.random.next();
        let Some(entry) = self.entries.get(&handle) else { return };
        let Some(active) = entry.active() else { return };
        let delivery = Delivery {
            ticket,
            name: entry.name.clone(),
            items,
            subscription: active.id,
            epoch: active.epoch,
            attempts_max: entry.attempts(),
            retry: self.limits.retry,
            random,
            began: now,
            dated: self.time_of_day,
            way,
        };
        self.counters.deliveries += 1;
        self.outbox.push_back(Action::Deliver(Arc::new(delivery)));
    }

    /// Returns for how many rows of retries of a subscription there is room.
    fn room(&self, handle: Handle) -> usize {
        let Some(entry) = self.entries.get(&handle) else { return 0 };
        let Some(active) = entry.active() else { return 0 };
        let own = self.limits.retries_per_subscription.saturating_sub(active.chains.rows() + active.reserved);
        own.min(self.rows.room(&entry.name.plugin, self.limits.retries))
    }

    fn portion(&self, room: usize) -> Portion {
        Portion {
            events: self.limits.events_per_delivery,
            bytes: self.limits.bytes_per_delivery,
            held: room.min(ROWS_PER_STEP_MAX).saturating_sub(1),
        }
    }

    /// Notes a piece of work that begins, and the rows that it may add.
    pub(super) fn begin(&mut self, handle: Handle, kind: Kind, reserved: usize) -> Ticket {
        let ticket = Ticket(self.number());
        self.work.insert(ticket, Work { handle, kind, reserved: 0 });
        self.reserve(ticket, reserved);
        if let Some(active) = self.entries.get_mut(&handle).and_then(super::Entry::active_mut) {
            active.in_flight += 1;
        }
        ticket
    }

    /// Changes how many rows a piece of work may add.
    pub(super) fn reserve(&mut self, ticket: Ticket, reserved: usize) {
        let Some(work) = self.work.get_mut(&ticket) else { return };
        // It stays until what is on its way has ended.
        let Some(entry) = self.entries.get_mut(&work.handle) else { return };
        let before = std::mem::replace(&mut work.reserved, reserved);
        self.rows.change(&entry.name.plugin, before, reserved);
        if let Some(active) = entry.active_mut() {
            active.reserved = active.reserved + reserved - before;
        }
    }
}

impl Work {
    fn lane(&self) -> Option<(Handle, Lane)> {
        match &self.kind {
            Kind::Lane(lane) => Some((self.handle, *lane)),
            Kind::Lanes(_) | Kind::Chain(..) | Kind::Sweep(_) => None,
        }
    }

    fn rows(&self) -> Option<(Handle, Vec<(Seq, u32)>)> {
        match &self.kind {
            Kind::Chain(_, rows) => Some((self.handle, rows.clone())),
            Kind::Lane(_) | Kind::Lanes(_) | Kind::Sweep(_) => None,
        }
    }

    fn key(&self) -> Option<crate::event::EventKey> {
        match &self.kind {
            Kind::Chain(super::ChainName::Key(key), _) => Some(key.clone()),
            Kind::Chain(super::ChainName::Lone(_), _) | Kind::Lane(_) | Kind::Lanes(_) | Kind::Sweep(_) => None,
        }
    }
}
