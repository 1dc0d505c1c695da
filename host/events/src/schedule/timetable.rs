//! The timetable: all schedules of all plugins, and which of them is due. A state machine without I/O.
//!
//! It is driven by the time of day, which may jump: everything is worked out anew from it at each look, and the looks are
//! never far apart ([`LOOK_INTERVAL`]).

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{Due, ScheduleId, ScheduleName, ScheduleProgress, ScheduleRun, ScheduleSpec, ScheduleStep, Timing};
use crate::{
    driver::Gone,
    ports::{Applied, PortError},
    time::UnixMs,
};

/// Longest time between two looks at the clock.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a schedule waits that could not be run, or opened.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// There are as many schedules as there may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {max} schedules, and no more may be declared")]
pub struct TooManySchedules {
    /// The bound.
    pub max: usize,
}

/// Why a schedule does not run at once. Nothing changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunNowError {
    /// Nobody declares it.
    #[error("no schedule has this name")]
    Unknown,
    /// The store has not said yet how far it is.
    #[error("the schedule is not open yet")]
    NotOpen,
    /// A run of it is on its way, or one that came to nothing is made again.
    #[error("the schedule runs already")]
    Running,
    /// As many runs are on their way as there may be.
    #[error("{max} schedules run already, and no more may")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The driver has ended.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// A schedule as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// Its name.
    pub name: ScheduleName,
    /// The store's number; `None` while it is not open.
    pub id: Option<ScheduleId>,
    /// How its slots are spelled.
    pub timing: String,
    /// When it runs next; `None` while it is not open.
    pub next: Option<UnixMs>,
    /// Whether a run is on its way, or one that was asked for is made again.
    pub is_running: bool,
    /// Slots that were skipped since the server began.
    pub skipped: u64,
}

/// What is to be done. Each one is answered by the method that it names.
#[derive(Debug)]
pub(crate) enum ScheduleAction {
    /// Open a schedule: [`Timetable::opened`].
    Open(ScheduleName, Arc<str>),
    /// Close a schedule. There is no answer: what is left is deleted some other time.
    Close(ScheduleId),
    /// Run a schedule: [`Timetable::ran`].
    Run(ScheduleRun),
}

/// All schedules.
#[derive(Debug)]
pub(crate) struct Timetable {
    schedules_max: usize,
    runs_max: usize,
    entries: BTreeMap<ScheduleName, Entry>,
    running: usize,
    outbox: VecDeque<ScheduleAction>,
    look_at: UnixMs,
    /// The time of the last look.
    looked: UnixMs,
}

#[derive(Debug)]
struct Entry {
    /// `None` once its plugin declares it no more.
    spec: Option<ScheduleSpec>,
    state: State,
    /// Its timing is another: it is to be opened anew, once no run is on its way.
    is_stale: bool,
    /// Somebody asked for a run that may not be committed: where it is, the store is here.
    asked: Option<UnixMs>,
    skipped: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing is known; it is opened at this time.
    Absent(UnixMs),
    Opening,
    Open(Open),
}

#[derive(Debug)]
struct Open {
    id: ScheduleId,
    /// What the store has.
    stored: UnixMs,
    /// What is dealt with: runs ahead of `stored` where slots were skipped.
    done_to: UnixMs,
    /// The step of the run on its way.
    running: Option<ScheduleStep>,
    not_before: UnixMs,
}

impl Timetable {
    pub(crate) fn new(schedules_max: usize, runs_max: usize, now: UnixMs) -> Self {
        Self {
            schedules_max,
            runs_max: runs_max.max(1),
            entries: BTreeMap::new(),
            running: 0,
            outbox: VecDeque::new(),
            look_at: now,
            looked: now,
        }
    }

    /// Says which schedules a plugin has. One whose timing changed is opened anew.
    ///
    /// # Errors
    /// When there would be too many. Nothing changes then.
    pub(crate) fn declare(
        &mut self,
        plugin: &Arc<str>,
        specs: Vec<ScheduleSpec>,
        now: UnixMs,
    ) -> Result<(), TooManySchedules> {
        self.check(plugin, specs.len())?;
        let mut before: BTreeMap<_, _> = self
            .entries
            .iter_mut()
            .filter(|(name, _)| name.plugin == *plugin)
            .filter_map(|(name, entry)| Some((name.clone(), entry.spec.take()?.timing.to_string())))
            .collect();
        for spec in specs {
            let name = ScheduleName { plugin: Arc::clone(plugin), handler: Arc::clone(&spec.handler) };
            let is_other = before.remove(&name).is_some_and(|timing| timing != spec.timing.to_string());
            let entry = self.entries.entry(name).or_insert_with(|| Entry::new(now));
            entry.is_stale |= is_other;
            entry.spec = Some(spec);
        }
        self.look_at = now;
        Ok(())
    }

    /// Says whether a plugin may have so many schedules.
    ///
    /// # Errors
    /// When there would be too many.
    pub(crate) fn check(&self, plugin: &Arc<str>, count: usize) -> Result<(), TooManySchedules> {
        let others = self.entries.iter().filter(|(name, entry)| name.plugin != *plugin && entry.spec.is_some());
        let max = self.schedules_max;
        if others.count() + count > max { Err(TooManySchedules { max }) } else { Ok(()) }
    }

    /// The store opened a schedule, or could not.
    pub(crate) fn opened(&mut self, name: &ScheduleName, progress: Result<ScheduleProgress, PortError>, now: UnixMs) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.state = match progress {
            Ok(ScheduleProgress { id, done_to }) => {
                entry.asked = entry.asked.filter(|asked| done_to != *asked);
                State::Open(Open { id, stored: done_to, done_to, running: None, not_before: UnixMs(i64::MIN) })
            }
            Err(error) => {
                tracing::warn!(
                    plugin = &*name.plugin,
                    handler = &*name.handler,
                    error = &error as &dyn std::error::Error,
                    "a schedule cannot be opened"
                );
                State::Absent(now.after(AGAIN_AFTER))
            }
        };
        self.look_at = now;
    }

    /// Runs a schedule at once, whatever its slots are, and again where nothing comes of that.
    ///
    /// # Errors
    /// When it is not there, not open, or cannot run beside what runs.
    pub(crate) fn run_now(&mut self, name: &ScheduleName, now: UnixMs) -> Result<(), RunNowError> {
        let max = self.runs_max;
        let entry = self.entries.get_mut(name).ok_or(RunNowError::Unknown)?;
        let spec = entry.spec.as_ref().ok_or(RunNowError::Unknown)?;
        let State::Open(open) = &mut entry.state else { return Err(RunNowError::NotOpen) };
        match open.running {
            Some(_) => return Err(RunNowError::Running),
            None if entry.is_stale => return Err(RunNowError::NotOpen),
            None if entry.asked.is_some() => return Err(RunNowError::Running),
            None if self.running >= max => return Err(RunNowError::Full { max }),
            None => {}
        }
        self.outbox.push_back(ScheduleAction::Run(open.begin_now(name, &spec.timing, now)));
        entry.asked = Some(open.done_to);
        self.running += 1;
        Ok(())
    }

    /// A run has ended.
    pub(crate) fn ran(&mut self, run: &ScheduleRun, applied: Applied, now: UnixMs) {
        self.running = self.running.saturating_sub(1);
        self.look_at = now;
        let Some(entry) = self.entries.get_mut(&run.name) else { return };
        let State::Open(open) = &mut entry.state else { return };
        open.running = None;
        match applied {
            Applied::Done => {
                open.stored = run.step.to;
                entry.asked = None;
            }
            Applied::Unavailable => {
                // Nothing came of the slot: it is still to be run.
                open.done_to = run.step.from;
                open.not_before = now.after(AGAIN_AFTER);
                // Nor of what somebody asked for: no store is ever here.
                entry.asked = entry.asked.map(|_asked| UnixMs(i64::MAX));
            }
            Applied::Stale | Applied::Unknown => entry.state = State::Absent(now.after(AGAIN_AFTER)),
        }
    }

    /// Returns what is to be done next.
    pub(crate) fn poll(&mut self, now: UnixMs) -> Option<ScheduleAction> {
        let is_set_back = now < self.looked;
        if self.outbox.is_empty() && (self.look_at <= now || is_set_back) {
            self.look(now);
        }
        self.outbox.pop_front()
    }

    /// Returns how long to wait until [`Timetable::poll`] may have something to say.
    pub(crate) fn waits(&self, now: UnixMs) -> Duration {
        self.look_at.since(now).min(LOOK_INTERVAL)
    }

    /// Returns every schedule that is declared.
    pub(crate) fn views(&self, now: UnixMs) -> Vec<ScheduleView> {
        let declared = self.entries.iter().filter_map(|(name, entry)| Some((name, entry, entry.spec.as_ref()?)));
        let views = declared.map(|(name, entry, spec)| {
            let open = entry.open();
            ScheduleView {
                name: name.clone(),
                id: open.map(|open| open.id),
                timing: spec.timing.to_string(),
                next: open.and_then(|open| spec.timing.next(spec.timing.count_from(open.done_to, now))),
                is_running: entry.asked.is_some() || open.is_some_and(|open| open.running.is_some()),
                skipped: entry.skipped,
            }
        });
        views.collect()
    }

    fn look(&mut self, now: UnixMs) {
        self.looked = now;
        self.look_at = now.after(LOOK_INTERVAL);
        let mut gone = Vec::new();
        for (name, entry) in &mut self.entries {
            let room = self.runs_max.saturating_sub(self.running);
            match entry.next(name, room, now) {
                Look::Act(action) => {
                    self.running += usize::from(matches!(action, ScheduleAction::Run(_)));
                    self.outbox.push_back(action);
                }
                Look::Wait(until) => self.look_at = self.look_at.min(until),
                Look::Gone(id) => gone.push((name.clone(), id)),
                Look::Rest => {}
            }
        }
        for (name, id) in gone {
            self.entries.remove(&name);
            self.outbox.extend(id.map(ScheduleAction::Close));
        }
    }
}

/// What a look at one schedule finds.
enum Look {
    Act(ScheduleAction),
    Wait(UnixMs),
    /// It may be forgotten.
    Gone(Option<ScheduleId>),
    /// Somebody else has to act first.
    Rest,
}

impl Open {
    /// Notes that it runs now, and with that every slot up to now is dealt with.
    fn begin_now(&mut self, name: &ScheduleName, timing: &Timing, now: UnixMs) -> ScheduleRun {
        // A time of day that was dealt with before the clock was set back stays so.
        self.done_to = timing.count_from(self.done_to, now).max(now);
        self.begin(name, now)
    }

    /// Notes that `slot` runs, and with it everything up to `done_to` is dealt with.
    fn begin(&mut self, name: &ScheduleName, slot: UnixMs) -> ScheduleRun {
        let step = ScheduleStep { schedule: self.id, from: self.stored, to: self.done_to };
        self.running = Some(step);
        ScheduleRun { name: name.clone(), slot, step }
    }
}

impl Entry {
    fn new(now: UnixMs) -> Self {
        Self { spec: None, state: State::Absent(now), is_stale: false, asked: None, skipped: 0 }
    }

    fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Absent(_) | State::Opening => None,
        }
    }

    fn next(&mut self, name: &ScheduleName, room: usize, now: UnixMs) -> Look {
        let Some(spec) = &self.spec else {
            return match &self.state {
                State::Open(open) if open.running.is_none() => Look::Gone(Some(open.id)),
                State::Absent(_) => Look::Gone(None),
                State::Open(_) | State::Opening => Look::Rest,
            };
        };
        if self.is_stale && self.open().is_some_and(|open| open.running.is_none()) {
            self.state = State::Absent(now);
        }
        let open = match &mut self.state {
            State::Absent(at) if *at > now => return Look::Wait(*at),
            State::Absent(_) => {
                (self.state, self.is_stale) = (State::Opening, false);
                return Look::Act(ScheduleAction::Open(name.clone(), spec.timing.to_string().into()));
            }
            State::Opening => return Look::Rest,
            State::Open(open) if open.not_before > now => return Look::Wait(open.not_before),
            State::Open(open) => open,
        };
        if self.asked.is_some() && open.running.is_none() {
            if room == 0 {
                return Look::Rest;
            }
            let run = open.begin_now(name, &spec.timing, now);
            self.asked = Some(open.done_to);
            return Look::Act(ScheduleAction::Run(run));
        }
        open.done_to = spec.timing.count_from(open.done_to, now);
        match spec.due(open.done_to, now) {
            Due::At(at) => Look::Wait(at),
            Due::Now(slot) if open.running.is_none() => {
                if room == 0 {
                    return Look::Rest;
                }
                open.done_to = slot;
                Look::Act(ScheduleAction::Run(open.begin(name, slot)))
            }
            Due::Now(slot) | Due::Skipped(slot) => {
                open.done_to = slot;
                self.skipped += 1;
                Look::Wait(now)
            }
        }
    }
}
