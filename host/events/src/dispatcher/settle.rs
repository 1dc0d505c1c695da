//! What the end of a piece of work changes.

use super::{Action, Dispatcher, Entry, Handle, Kind, Work, active};
use crate::{
    delivery::{Conclusion, Settled, Ticket},
    time::UnixMs,
};

impl Dispatcher {
    /// A piece of work has ended.
    pub(crate) fn settled(&mut self, ticket: Ticket, settled: Settled, now: UnixMs) {
        let Some((handle, work)) = self.end(ticket) else { return };
        let is_doubtful = active::is_doubtful(&settled);
        match settled {
            Settled::Committed(conclusion) => self.committed(handle, &work, &conclusion),
            Settled::Postponed => {
                self.counters.postponed += 1;
                if let Some(active) = self.entries.get_mut(&handle).and_then(Entry::active_mut) {
                    active.postpone(now, &self.limits, &mut self.random);
                }
            }
            Settled::Stale | Settled::Unknown => self.counters.doubtful += 1,
        }
        if is_doubtful {
            if let Some(entry) = self.entries.get_mut(&handle) {
                entry.doubt();
            }
            self.trouble(handle, now);
        }
        self.go_on(handle, work, now);
    }

    /// A piece of work has ended before anything was tried.
    pub(super) fn finish(&mut self, ticket: Ticket, now: UnixMs) {
        if let Some((handle, work)) = self.end(ticket) {
            self.go_on(handle, work, now);
        }
    }

    fn end(&mut self, ticket: Ticket) -> Option<(Handle, Work)> {
        self.reserve(ticket, 0);
        let work = self.work.remove(&ticket)?;
        self.turns.release();
        let handle = work.handle;
        let active = self.entries.get_mut(&handle).and_then(Entry::active_mut)?;
        active.in_flight -= 1;
        match &work.kind {
            Kind::Lane(lane) => active.busy.remove(*lane),
            Kind::Lanes(lanes) | Kind::Sweep(lanes) => lanes.iter().for_each(|lane| active.busy.remove(lane)),
            Kind::Chain(..) => {}
        }
        Some((handle, work))
    }

    fn go_on(&mut self, handle: Handle, work: Work, now: UnixMs) {
        if let (Kind::Chain(name, _), Some(active)) =
            (work.kind, self.entries.get_mut(&handle).and_then(Entry::active_mut))
        {
            active.chains.give_back(&name);
        }
        // Rows may have gone, or their reservation: whoever waits for room looks again.
        for starved in std::mem::take(&mut self.starved) {
            self.turns.queue(starved);
        }
        self.reconcile(handle, now);
    }

    fn committed(&mut self, handle: Handle, work: &Work, conclusion: &Conclusion) {
        let end = self.window.end();
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        entry.note_success();
        let Some(active) = entry.active_mut() else { return };
        let rows = active.chains.rows();
        let pause = active.apply(conclusion, &self.limits);
        let rows_now = active.chains.rows();
        self.rows.change(&entry.name.plugin, rows, rows_now);
        let Some(active) = entry.active_mut() else { return };
        for cursor in &conclusion.step.cursors {
            match &work.kind {
                Kind::Lane(_) | Kind::Lanes(_) => active.advance(cursor.lane, cursor.to, end),
                Kind::Sweep(_) => active.positions[cursor.lane] = active.positions[cursor.lane].max(cursor.to),
                Kind::Chain(..) => {}
            }
        }
        self.counters.handled += conclusion.handled as u64;
        self.counters.dead_letters += conclusion.step.dead_letters.len() as u64;
        if let Some(reason) = pause.filter(|_| active.paused.is_none()) {
            active.paused = Some(reason);
            let id = active.id;
            tracing::error!(
                plugin = &*entry.name.plugin, pattern = %entry.name.pattern, ?reason,
                "a subscription is paused; its events are kept"
            );
            self.outbox.push_back(Action::Pause(id, reason));
        }
    }
}
