//! A subscription whose progress is loaded: where its lanes are, what of it is on its way, what keeps it.
//!
//! `cursors` are what the store has; `positions` run ahead of them where nothing was for the subscription. A lane that
//! is not `behind` has nothing to do up to the window's end, wherever its position is, and costs nothing: only an event
//! that matches sets it behind again.

use std::{collections::BTreeSet, time::Duration};

use super::chains::Chains;
use crate::{
    delivery::{Conclusion, Settled},
    event::Seq,
    lane::{Lane, LaneSet, PerLane},
    limits::Limits,
    retry::{Random, RetryPolicy},
    step::{CursorStep, Step},
    subscription::{Epoch, PauseReason, Progress, SubscriptionId},
    time::UnixMs,
};

/// A subscription whose progress is loaded.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) id: SubscriptionId,
    pub(super) epoch: Epoch,
    pub(super) cursors: PerLane<Seq>,
    pub(super) positions: PerLane<Seq>,
    /// Lanes that may have something to do.
    pub(super) behind: LaneSet,
    /// Lanes of which work is on its way.
    pub(super) busy: LaneSet,
    /// Which lane is next.
    pub(super) next_lane: u8,
    pub(super) chains: Chains,
    pub(super) paused: Option<PauseReason>,
    /// Pieces of work on their way.
    pub(super) in_flight: usize,
    /// Rows that these may add.
    pub(super) reserved: usize,
    /// How long its handler takes for an event, a running mean. `None` before the first.
    event_time: Option<Duration>,
    /// Events that trapped since one was handled.
    trapped: BTreeSet<Seq>,
    pub(super) dead_letters: u64,
    /// Times in a row that it could not be served.
    postponed: u32,
    pub(super) blocked_until: UnixMs,
    /// Whether retries go before the log next time.
    pub(super) prefers_retries: bool,
    /// Whether its cursors are to be written where they lag.
    pub(super) sweep: bool,
}

impl Active {
    pub(super) fn new(progress: Progress, limits: &Limits, now: UnixMs) -> Self {
        let latest = now.after(limits.retry.cap.max(limits.retry.asked_max));
        let cursors = PerLane(progress.cursors);
        Self {
            id: progress.id,
            epoch: progress.epoch,
            cursors,
            positions: cursors,
            behind: LaneSet::default(),
            busy: LaneSet::default(),
            next_lane: 0,
            chains: Chains::new(progress.retries, latest),
            paused: progress.paused,
            in_flight: 0,
            reserved: 0,
            event_time: None,
            trapped: BTreeSet::new(),
            dead_letters: progress.dead_letters,
            postponed: 0,
            blocked_until: UnixMs(i64::MIN),
            prefers_retries: false,
            sweep: false,
        }
    }

    /// Looks at every lane again, because the window went on to `end` without it.
    pub(super) fn look_again(&mut self, end: Seq) {
        for lane in Lane::all().filter(|lane| self.positions[*lane] < end) {
            self.behind.insert(lane);
        }
    }

    /// An event that matches is in the log. Returns whether there is something to do now that was not before.
    pub(super) fn hear(&mut self, lane: Lane, seq: Seq) -> bool {
        if self.behind.contains(lane) || seq <= self.positions[lane] {
            return false;
        }
        // Nothing before it was for this subscription, or the lane would be behind.
        self.positions[lane] = self.positions[lane].max(seq.before());
        self.behind.insert(lane);
        true
    }

    /// Returns the lanes that may begin with something.
    pub(super) fn ready(&self) -> LaneSet {
        self.behind.without(self.busy)
    }

    /// Takes the next lane that has something to do.
    pub(super) fn next_lane(&mut self) -> Option<Lane> {
        let lane = self.ready().first_from(self.next_lane)?;
        self.next_lane = Lane::new(lane.number() + 1).map_or(0, Lane::number);
        Some(lane)
    }

    /// Returns how many events are likely to be handled within `time`: none where nothing is known.
    pub(super) fn events_within(&self, time: Duration) -> usize {
        let Some(event_time) = self.event_time else { return 0 };
        usize::try_from(time.as_nanos() / event_time.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// A lane is decided up to `to`; the window ends at `end`.
    pub(super) fn advance(&mut self, lane: Lane, to: Seq, end: Seq) {
        self.positions[lane] = to;
        if to >= end {
            self.behind.remove(lane);
        }
    }

    /// Returns a step of the cursors that lag in lanes where nothing is to do, and those lanes.
    pub(super) fn sweep(&self, end: Seq) -> Option<(Step, LaneSet)> {
        let mut step = Step::new(self.id, self.epoch);
        let mut lanes = LaneSet::default();
        for lane in Lane::all().filter(|lane| !self.behind.contains(*lane) && !self.busy.contains(*lane)) {
            let (from, to) = (self.cursors[lane], self.positions[lane].max(end));
            if from < to {
                step.cursors.push(CursorStep { lane, from, to });
                lanes.insert(lane);
            }
        }
        (!lanes.is_empty()).then_some((step, lanes))
    }

    /// Returns when it has something to do that waits for its time.
    pub(super) fn wakes_at(&self) -> Option<UnixMs> {
        self.chains.next_due().map(|due| due.max(self.blocked_until))
    }

    /// It could not be served; it waits.
    pub(super) fn postpone(&mut self, now: UnixMs, limits: &Limits, random: &mut Random) {
        self.postponed = self.postponed.saturating_add(1);
        self.blocked_until = now.after(wait(self.postponed, limits, random));
    }

    /// Does what was committed, but for the lanes' positions. Returns why it has to be paused now.
    pub(super) fn apply(&mut self, conclusion: &Conclusion, limits: &Limits) -> Option<PauseReason> {
        for cursor in &conclusion.step.cursors {
            self.cursors[cursor.lane] = cursor.to;
        }
        conclusion.step.retries.iter().for_each(|step| self.chains.apply(step));
        self.postponed = 0;
        if let Some(handled) = u32::try_from(conclusion.handled).ok().filter(|handled| *handled > 0) {
            self.trapped.clear();
            let each = conclusion.took / handled;
            self.event_time = Some(self.event_time.map_or(each, |mean| (mean * 7 + each) / 8));
        }
        self.trapped.extend(conclusion.trapped);
        self.dead_letters += conclusion.step.dead_letters.len() as u64;
        if self.trapped.len() >= limits.traps.max(1) {
            return Some(PauseReason::Trapping);
        }
        let is_full = self.dead_letters >= limits.dead_letters_per_subscription;
        (is_full && !conclusion.step.dead_letters.is_empty()).then_some(PauseReason::DeadLetters)
    }
}

/// Returns how long to wait after `times` failures in a row that are no event's: half of it sure, half by chance.
pub(super) fn wait(times: u32, limits: &Limits, random: &mut Random) -> Duration {
    let policy = RetryPolicy { base: limits.postpone_base, cap: limits.postpone_cap, ..limits.retry };
    policy.delay(times, None, random.next() / 2 + u64::MAX / 2)
}

/// What an answer says about everything that is remembered: after these it is read anew.
pub(super) fn is_doubtful(settled: &Settled) -> bool {
    matches!(settled, Settled::Stale | Settled::Unknown)
}
