//! The newest events of the log, in memory: a stretch without holes.
//!
//! What is here need not be read from the log. Both its length and its bytes are bounded: the oldest go. What is before
//! its start is in the log and nowhere else.

use std::{array, collections::VecDeque, sync::Arc};

use crate::{
    event::{Event, Seq},
    lane::{LANES, Lane, PerLane},
};

/// The events after `start`, up to and including `end`.
#[derive(Debug)]
pub(crate) struct Window {
    start: Seq,
    end: Seq,
    lanes: PerLane<VecDeque<Arc<Event>>>,
    /// Lanes of the events, oldest first.
    order: VecDeque<Lane>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
}

impl Window {
    /// Begins behind `end`.
    pub(crate) fn new(end: Seq, events_max: usize, bytes_max: usize) -> Self {
        let lanes = PerLane(array::from_fn::<_, LANES, _>(|_| VecDeque::new()));
        Self { start: end, end, lanes, order: VecDeque::new(), bytes: 0, events_max, bytes_max }
    }

    /// Returns the last place that is known.
    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    /// Returns whether nothing after `position` is missing here.
    pub(crate) fn covers(&self, position: Seq) -> bool {
        position >= self.start
    }

    /// Adds the event that follows in the log.
    pub(crate) fn push(&mut self, event: Arc<Event>) {
        self.end = event.seq;
        self.bytes += event.bytes();
        self.order.push_back(event.lane);
        self.lanes[event.lane].push_back(event);
        while self.order.len() > self.events_max.max(1) || (self.bytes > self.bytes_max && self.order.len() > 1) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|lane| self.lanes[lane].pop_front());
        if let Some(oldest) = oldest {
            self.bytes -= oldest.bytes();
            self.start = oldest.seq;
        }
    }

    /// Says that the log has nothing more up to `to`.
    pub(crate) fn pass(&mut self, to: Seq) {
        self.end = self.end.max(to);
    }

    /// Returns the events of a lane after `position`, in their order.
    pub(crate) fn after(&self, lane: Lane, position: Seq) -> impl Iterator<Item = &Arc<Event>> {
        let events = &self.lanes[lane];
        events.range(events.partition_point(|event| event.seq <= position)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::event;

    fn seqs(window: &Window, lane: Lane, after: i64) -> Vec<i64> {
        window.after(lane, Seq(after)).map(|event| event.seq.0).collect()
    }

    #[test]
    fn keeps_the_newest_and_knows_what_it_lacks() {
        let mut window = Window::new(Seq(10), 4, usize::MAX);
        assert!(window.covers(Seq(10)) && !window.covers(Seq(9)));
        for seq in 11..=16 {
            window.push(event(seq, "t", Some(if seq % 2 == 0 { "even" } else { "odd" })));
        }
        assert!(window.covers(Seq(12)) && !window.covers(Seq(11)));
        let lane = |key| event(1, "t", Some(key)).lane;
        assert_eq!(seqs(&window, lane("even"), 0), [14, 16]);
        assert_eq!(seqs(&window, lane("odd"), 13), [15]);
        window.pass(Seq(20));
        window.pass(Seq(18));
        assert_eq!(window.end(), Seq(20));
    }

    #[test]
    fn its_bytes_are_bounded_but_the_newest_stays() {
        let bytes = event(1, "t", Some("k")).bytes();
        let mut window = Window::new(Seq::ZERO, 100, 2 * bytes);
        for seq in 1..=5 {
            window.push(event(seq, "t", Some("k")));
        }
        assert!(window.covers(Seq(3)) && !window.covers(Seq(2)));
        let mut window = Window::new(Seq::ZERO, 100, 1);
        window.push(event(1, "t", Some("k")));
        window.push(event(2, "t", Some("k")));
        assert!(window.covers(Seq(1)) && !window.covers(Seq(0)));
        assert_eq!(window.bytes, bytes);
    }
}
