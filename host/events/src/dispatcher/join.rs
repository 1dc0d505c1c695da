//! Lanes that go together: where each has little and the handler is quick, one delivery takes the next events of several.
//!
//! A delivery is a transaction, and costs more than most events do. Joined lanes wait for one another, as none goes on
//! while their delivery is on its way. So they are no more than [`JOINED_LANES_MAX`], and no more is taken of them than is
//! handled in [`JOINED_TIME_MAX`], by what is known of the handler: an event that takes long for once holds up a part of
//! the lanes. Where lanes have much, each fills a delivery of its own, and they go side by side.

use std::time::Duration;

use super::{
    Dispatcher, Entry, Handle, Kind,
    plan::{Plan, Portion, plan},
};
use crate::{
    delivery::{Item, LanePart, Way},
    lane::{LANES, Lane, LaneSet},
    time::UnixMs,
};

/// How many lanes go together at most: a quarter of them.
const JOINED_LANES_MAX: usize = LANES / 4;
/// How long the events of joined lanes take together, about.
const JOINED_TIME_MAX: Duration = Duration::from_millis(5);

/// Lanes that go together, and what there is room for beside them.
struct Joined {
    plans: Vec<(Lane, Plan)>,
    left: Portion,
}

impl Joined {
    /// Begins with one lane, of which `portion` was the most that it might take.
    fn new(first: (Lane, Plan), portion: Portion) -> Self {
        let mut joined = Self { plans: Vec::new(), left: portion };
        joined.push(first.0, first.1);
        joined
    }

    /// Returns the most that another lane may take, if it may take anything.
    fn room(&self) -> Option<Portion> {
        let Portion { events, bytes, held } = self.left;
        let is_room = events > 0 && bytes > 0 && held > 0 && self.plans.len() < JOINED_LANES_MAX;
        is_room.then_some(self.left)
    }

    /// Adds a lane, unless it has nothing to be handled, or its first event is too large.
    fn add(&mut self, lane: Lane, plan: Plan) {
        if !plan.run.is_empty() && plan.bytes() <= self.left.bytes {
            self.push(lane, plan);
        }
    }

    fn push(&mut self, lane: Lane, plan: Plan) {
        let Portion { events, bytes, held } = &mut self.left;
        *events = events.saturating_sub(plan.run.len());
        *bytes = bytes.saturating_sub(plan.bytes());
        *held = held.saturating_sub(plan.held.len());
        self.plans.push((lane, plan));
    }
}

impl Dispatcher {
    /// Plans the next events of a lane that the window covers.
    pub(super) fn plan_lane(&self, handle: Handle, lane: Lane, portion: Portion) -> Option<Plan> {
        let entry = self.entries.get(&handle)?;
        let active = entry.active()?;
        let events = self.window.after(lane, active.positions[lane]);
        let events = events.filter(|event| entry.name.pattern.matches(&event.topic));
        Some(plan(events, self.window.end(), |key| active.chains.holds(key), portion))
    }

    /// Delivers what is planned of a lane, which had `portion` to take from, and the lanes that go with it.
    pub(super) fn deliver_joined(&mut self, handle: Handle, first: (Lane, Plan), portion: Portion, now: UnixMs) {
        let plans = self.join(handle, first, portion);
        let Some(active) = self.served(handle) else { return };
        let (mut lanes, mut rows) = (LaneSet::default(), 1);
        let (mut parts, mut items) = (Vec::with_capacity(plans.len()), Vec::new());
        for (lane, Plan { run, held, to }) in plans {
            active.busy.insert(lane);
            lanes.insert(lane);
            rows += held.len();
            parts.push(LanePart { lane, from: active.cursors[lane], to, items: run.len(), held });
            items.extend(run.into_iter().map(Item::first));
        }
        let ticket = self.begin(handle, Kind::Lanes(lanes), rows);
        self.deliver(ticket, handle, items, Way::Lanes(parts), now);
    }

    fn join(&self, handle: Handle, first: (Lane, Plan), portion: Portion) -> Vec<(Lane, Plan)> {
        let Some(active) = self.entries.get(&handle).and_then(Entry::active) else { return vec![first] };
        let events = portion.events.min(active.events_within(JOINED_TIME_MAX));
        let mut joined = Joined::new(first, Portion { events, ..portion });
        let mut others = active.ready();
        while let Some((lane, room)) = others.first_from(active.next_lane).zip(joined.room()) {
            others.remove(lane);
            if self.window.covers(active.positions[lane])
                && let Some(plan) = self.plan_lane(handle, lane, room)
            {
                joined.add(lane, plan);
            }
        }
        joined.plans
    }
}
