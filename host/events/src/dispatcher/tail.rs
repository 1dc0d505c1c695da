//! The end of the log: how the window follows it.
//!
//! Hints that come without a hole extend the window. After a hole, a loss, or a while without any, the log is read from
//! where the window ends; that is the whole difference that a hint makes.

use std::sync::Arc;

use super::{Action, Dispatcher};
use crate::{
    event::{Event, Published},
    ports::{LogPage, LogRead, PortError},
    time::UnixMs,
};

/// How the window follows the log.
#[derive(Debug)]
pub(super) struct Tail {
    /// A read is on its way.
    is_reading: bool,
    /// When the next read begins, if none is on its way.
    look_at: UnixMs,
}

impl Tail {
    pub(super) fn new(look_at: UnixMs) -> Self {
        Self { is_reading: false, look_at }
    }

    /// Returns when the next read begins.
    pub(super) fn looks_at(&self) -> Option<UnixMs> {
        (!self.is_reading).then_some(self.look_at)
    }

    /// Has the log read as soon as possible.
    fn hurry(&mut self) {
        self.look_at = UnixMs(i64::MIN);
    }
}

impl Dispatcher {
    /// An event was committed.
    pub(crate) fn published(&mut self, published: Published) {
        let end = self.window.end();
        if published.event.seq <= end {
            return;
        }
        if published.after > end {
            self.tail.hurry();
            return;
        }
        self.accept(published.event);
    }

    /// Some events were committed and not told.
    pub(crate) fn lost(&mut self) {
        self.tail.hurry();
    }

    pub(super) fn look_at_tail(&mut self, now: UnixMs) {
        if !self.tail.is_reading && self.tail.look_at <= now {
            self.tail = Tail { is_reading: true, look_at: now.after(self.limits.tail_interval) };
            self.counters.tail_reads += 1;
            self.outbox.push_back(Action::ReadTail(LogRead {
                of: None,
                after: self.window.end(),
                events_max: TAIL_EVENTS,
                bytes_max: self.limits.window_bytes / 2,
            }));
        }
    }

    /// The log was read.
    pub(crate) fn tail_read(&mut self, page: Result<LogPage, PortError>, now: UnixMs) {
        self.tail.is_reading = false;
        match page {
            Ok(page) => {
                for event in page.events {
                    if event.seq > self.window.end() {
                        self.accept(event);
                    }
                }
                self.window.pass(page.end);
                if page.more {
                    self.tail.hurry();
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the end of the event log cannot be read");
                self.tail.look_at = now.after(self.limits.postpone_cap);
            }
        }
    }

    /// Takes the next event of the log into the window and tells those that it is for.
    fn accept(&mut self, event: Arc<Event>) {
        let (lane, seq) = (event.lane, event.seq);
        let mut found = std::mem::take(&mut self.found);
        self.index.find(&event.topic, &mut found);
        self.window.push(event);
        for handle in found.drain(..) {
            let active = self.entries.get_mut(&handle).and_then(super::Entry::active_mut);
            if active.is_some_and(|active| active.hear(lane, seq)) {
                self.turns.queue(handle);
            }
        }
        self.found = found;
    }
}

/// Events of one read.
const TAIL_EVENTS: usize = 1024;
