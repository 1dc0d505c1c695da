//! What a person is shown of the dispatcher.

use super::{Dispatcher, Entry};
use crate::{
    event::Seq,
    lane::Lane,
    subscription::{PauseReason, SubscriptionId, SubscriptionName},
};

/// What the dispatcher did since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DispatcherCounters {
    /// Deliveries that began.
    pub deliveries: u64,
    /// Events that were handled.
    pub handled: u64,
    /// Dead letters that came.
    pub dead_letters: u64,
    /// Deliveries that could not be tried or committed.
    pub postponed: u64,
    /// Deliveries after which the progress was read anew.
    pub doubtful: u64,
    /// Reads of the end of the log.
    pub tail_reads: u64,
    /// Reads of the log for a lane that was behind what is in memory.
    pub lane_reads: u64,
}

/// A subscription as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Its name.
    pub name: SubscriptionName,
    /// The store's number; `None` while it is not open.
    pub id: Option<SubscriptionId>,
    /// Why it is paused.
    pub paused: Option<PauseReason>,
    /// Deliveries on their way.
    pub in_flight: usize,
    /// Events that failed or wait behind one that did.
    pub retries: usize,
    /// Dead letters.
    pub dead_letters: u64,
    /// The place of the log up to which everything is behind it, but for its retries.
    pub position: Seq,
    /// The end of the log. What is between the two is the most that can wait for it.
    pub head: Seq,
}

impl Dispatcher {
    /// Returns what was done.
    pub(crate) fn counters(&self) -> DispatcherCounters {
        self.counters
    }

    /// Returns every subscription that is declared, by name.
    pub(crate) fn views(&self) -> Vec<SubscriptionView> {
        let mut views: Vec<_> = self.entries.values().map(|entry| self.view(entry)).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    fn view(&self, entry: &Entry) -> SubscriptionView {
        let (active, head) = (entry.active(), self.window.end());
        let place = |active: &super::Active| {
            let places = Lane::all().map(|lane| {
                if active.behind.contains(lane) { active.positions[lane] } else { active.positions[lane].max(head) }
            });
            places.min().unwrap_or(Seq::ZERO)
        };
        SubscriptionView {
            name: entry.name.clone(),
            id: active.map(|active| active.id),
            paused: active.and_then(|active| active.paused),
            in_flight: active.map_or(0, |active| active.in_flight),
            retries: active.map_or(0, |active| active.chains.rows()),
            dead_letters: active.map_or(0, |active| active.dead_letters),
            position: active.map_or(Seq::ZERO, place),
            head,
        }
    }
}
