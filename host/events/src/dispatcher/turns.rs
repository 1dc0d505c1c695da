//! Whose turn it is, and who is to be looked at when.
//!
//! Subscriptions take turns, and a turn is one delivery: with thousands of events waiting for one, another's only event
//! waits for one delivery of each other subscription, not for thousands.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::Handle;
use crate::time::UnixMs;

/// The order of turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    ready: VecDeque<Handle>,
    /// Those that have work and as many deliveries on their way as they may have.
    held: Vec<Handle>,
    /// Everybody in `ready` and `held`.
    waiting: HashSet<Handle>,
    timers: BTreeSet<(UnixMs, Handle)>,
    timer_of: HashMap<Handle, UnixMs>,
}

impl Turns {
    /// Gives a turn, after everybody who waits for one.
    pub(super) fn queue(&mut self, handle: Handle) {
        if self.waiting.insert(handle) {
            self.ready.push_back(handle);
        }
    }

    /// Takes the next turn.
    pub(super) fn next(&mut self) -> Option<Handle> {
        let handle = self.ready.pop_front()?;
        self.waiting.remove(&handle);
        Some(handle)
    }

    /// Gives a turn once a delivery has ended.
    pub(super) fn hold(&mut self, handle: Handle) {
        if self.waiting.insert(handle) {
            self.held.push(handle);
        }
    }

    /// A delivery has ended.
    pub(super) fn release(&mut self) {
        self.ready.extend(self.held.drain(..));
    }

    /// Sets the time at which somebody is to be looked at; `None` is never.
    pub(super) fn arm(&mut self, handle: Handle, at: Option<UnixMs>) {
        let before = match at {
            Some(at) => self.timer_of.insert(handle, at),
            None => self.timer_of.remove(&handle),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, handle));
        }
        self.timers.extend(at.map(|at| (at, handle)));
    }

    /// Takes somebody whose time has come.
    pub(super) fn due(&mut self, now: UnixMs) -> Option<Handle> {
        let (at, handle) = *self.timers.first()?;
        if at > now {
            return None;
        }
        self.arm(handle, None);
        Some(handle)
    }

    /// Returns when the next one's time comes.
    pub(super) fn next_timer(&self) -> Option<UnixMs> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Forgets somebody who is gone. A turn that is left finds nobody.
    pub(super) fn forget(&mut self, handle: Handle) {
        self.arm(handle, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_waits_once_and_in_order() {
        let mut turns = Turns::default();
        for number in [1, 2, 1, 3, 2] {
            turns.queue(Handle(number));
        }
        assert_eq!(turns.next(), Some(Handle(1)));
        turns.queue(Handle(1));
        turns.hold(Handle(9));
        turns.queue(Handle(9));
        assert_eq!(
            [turns.next(), turns.next(), turns.next(), turns.next()],
            [2, 3, 1].map(|n| Some(Handle(n))).into_iter().chain([None]).collect::<Vec<_>>()[..]
        );
        turns.release();
        assert_eq!((turns.next(), turns.next()), (Some(Handle(9)), None));
    }

    #[test]
    fn a_timer_goes_off_once_and_at_its_last_time() {
        let mut turns = Turns::default();
        turns.arm(Handle(1), Some(UnixMs(50)));
        turns.arm(Handle(2), Some(UnixMs(40)));
        turns.arm(Handle(1), Some(UnixMs(30)));
        assert_eq!(turns.next_timer(), Some(UnixMs(30)));
        assert_eq!(turns.due(UnixMs(29)), None);
        assert_eq!(turns.due(UnixMs(60)), Some(Handle(1)));
        turns.forget(Handle(2));
        assert_eq!((turns.due(UnixMs(60)), turns.next_timer()), (None, None));
    }
}
