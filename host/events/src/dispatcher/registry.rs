//! Who subscribes: what plugins declare against what is open.
//!
//! `declare` says what is wanted; `reconcile` takes one step from what is there towards it, and is called after
//! everything that may have made one possible. A subscription that has to be read anew, and one that is not wanted any
//! more, ends what is on its way first.

use super::{Action, Dispatcher, Handle, active, active::Active};
use crate::{
    ports::PortError,
    retry::RetryPolicy,
    subscription::{Progress, SubscriptionId, SubscriptionName, SubscriptionSpec},
    time::UnixMs,
};

/// There are as many subscriptions as there may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {max} subscriptions, and no more may be declared")]
pub struct TooManySubscriptions {
    /// The bound.
    pub max: usize,
}

/// A subscription, whatever is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: SubscriptionName,
    /// The attempts that its plugin declares; `None` when it declares it no more.
    wanted: Option<u32>,
    pub(super) phase: Phase,
    /// What is remembered may be wrong.
    is_stale: bool,
    /// It is in the index.
    listens: bool,
    /// Times in a row that there was doubt, or that a port failed.
    troubles: u32,
    not_before: UnixMs,
}

/// How far a subscription is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing is known.
    Absent,
    /// It is being opened.
    Opening,
    /// It is served, unless it is stale or not wanted.
    Open(Box<Active>),
    /// It has to be closed.
    Leaving(SubscriptionId),
    /// It is being closed.
    Closing(SubscriptionId),
}

impl Entry {
    fn new(name: SubscriptionName) -> Self {
        Self {
            name,
            wanted: None,
            phase: Phase::Absent,
            is_stale: false,
            listens: false,
            troubles: 0,
            not_before: UnixMs(i64::MIN),
        }
    }

    pub(super) fn active(&self) -> Option<&Active> {
        match &self.phase {
            Phase::Open(active) => Some(active),
            Phase::Absent | Phase::Opening | Phase::Leaving(_) | Phase::Closing(_) => None,
        }
    }

    pub(super) fn active_mut(&mut self) -> Option<&mut Active> {
        match &mut self.phase {
            Phase::Open(active) => Some(active),
            Phase::Absent | Phase::Opening | Phase::Leaving(_) | Phase::Closing(_) => None,
        }
    }

    /// Returns whether something may begin.
    pub(super) fn is_served(&self) -> bool {
        self.wanted.is_some() && !self.is_stale
    }

    pub(super) fn attempts(&self) -> u32 {
        self.wanted.unwrap_or(RetryPolicy::ATTEMPTS).clamp(1, RetryPolicy::ATTEMPTS_MAX)
    }

    /// What is remembered may be wrong: it is read anew.
    pub(super) fn doubt(&mut self) {
        self.is_stale = true;
    }

    pub(super) fn note_success(&mut self) {
        self.troubles = 0;
    }
}

impl Dispatcher {
    /// Says which subscriptions a plugin has. Those that it had and does not have any more end what is on its way and
    /// are closed; those that it has still go on, with the attempts that are declared now.
    ///
    /// # Errors
    /// When there would be too many. Nothing changes then.
    pub(crate) fn declare(
        &mut self,
        plugin: &std::sync::Arc<str>,
        specs: &[SubscriptionSpec],
        now: UnixMs,
    ) -> Result<(), TooManySubscriptions> {
        self.check(plugin, specs.len())?;
        let mine = self.entries.iter_mut().filter(|(_, entry)| entry.name.plugin == *plugin);
        let mut changed: Vec<_> = mine
            .map(|(handle, entry)| {
                entry.wanted = None;
                *handle
            })
            .collect();
        for spec in specs {
            let name = SubscriptionName { plugin: plugin.clone(), pattern: spec.pattern.clone() };
            let handle = self.find_or_add(name);
            if let Some(entry) = self.entries.get_mut(&handle) {
                entry.wanted = Some(spec.attempts);
            }
            changed.push(handle);
        }
        changed.into_iter().for_each(|handle| self.reconcile(handle, now));
        Ok(())
    }

    /// Finds out whether a plugin may have `count` subscriptions.
    ///
    /// # Errors
    /// When there would be too many.
    pub(crate) fn check(&self, plugin: &str, count: usize) -> Result<(), TooManySubscriptions> {
        let others = self.entries.values().filter(|entry| entry.wanted.is_some() && *entry.name.plugin != *plugin);
        let max = self.limits.subscriptions;
        if others.count() + count > max { Err(TooManySubscriptions { max }) } else { Ok(()) }
    }

    /// Says that the progress of a subscription was changed by somebody else: it is read anew. Does nothing for one that
    /// is not declared.
    pub(crate) fn reload(&mut self, name: &SubscriptionName, now: UnixMs) {
        if let Some(handle) = self.names.get(name).copied() {
            if let Some(entry) = self.entries.get_mut(&handle) {
                entry.doubt();
            }
            self.reconcile(handle, now);
        }
    }

    fn find_or_add(&mut self, name: SubscriptionName) -> Handle {
        if let Some(handle) = self.names.get(&name) {
            return *handle;
        }
        let handle = Handle(self.number());
        self.names.insert(name.clone(), handle);
        self.entries.insert(handle, Entry::new(name));
        handle
    }

    /// The store opened a subscription, or could not.
    pub(crate) fn opened(&mut self, handle: Handle, progress: Result<Progress, PortError>, now: UnixMs) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        match progress {
            Ok(progress) => {
                let active = Active::new(progress, &self.limits, now);
                self.rows.change(&entry.name.plugin, 0, active.chains.rows());
                entry.phase = Phase::Open(Box::new(active));
            }
            Err(error) => {
                tracing::warn!(
                    plugin = &*entry.name.plugin, pattern = %entry.name.pattern,
                    error = &error as &dyn std::error::Error, "a subscription cannot be opened"
                );
                entry.phase = Phase::Absent;
                self.trouble(handle, now);
            }
        }
        self.reconcile(handle, now);
    }

    /// The store closed a subscription, or could not.
    pub(crate) fn closed(&mut self, handle: Handle, closed: Result<(), PortError>, now: UnixMs) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        match (closed, &entry.phase) {
            (Err(error), Phase::Closing(id)) => {
                tracing::warn!(
                    plugin = &*entry.name.plugin, pattern = %entry.name.pattern,
                    error = &error as &dyn std::error::Error, "a subscription cannot be closed"
                );
                entry.phase = Phase::Leaving(*id);
                self.trouble(handle, now);
            }
            _ => entry.phase = Phase::Absent,
        }
        self.reconcile(handle, now);
    }

    /// Makes the next step of a subscription wait.
    pub(super) fn trouble(&mut self, handle: Handle, now: UnixMs) {
        if let Some(entry) = self.entries.get_mut(&handle) {
            entry.troubles = entry.troubles.saturating_add(1);
            entry.not_before = now.after(active::wait(entry.troubles, &self.limits, &mut self.random));
        }
    }

    /// Takes the steps that are possible from what is there to what is wanted.
    pub(super) fn reconcile(&mut self, handle: Handle, now: UnixMs) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        let (is_wanted, is_served) = (entry.wanted.is_some(), entry.is_served());
        match &entry.phase {
            Phase::Open(_) if is_served => return self.listen(handle),
            Phase::Open(active) if active.in_flight > 0 => return self.unlisten(handle),
            Phase::Open(active) => {
                let (id, rows) = (active.id, active.chains.rows());
                self.rows.change(&entry.name.plugin, rows, 0);
                entry.phase = if is_wanted { Phase::Absent } else { Phase::Leaving(id) };
                self.unlisten(handle);
            }
            Phase::Absent | Phase::Opening | Phase::Leaving(_) | Phase::Closing(_) => {}
        }
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        match entry.phase {
            Phase::Absent if !is_wanted => {
                self.names.remove(&entry.name);
                self.entries.remove(&handle);
                self.turns.forget(handle);
            }
            Phase::Absent | Phase::Leaving(_) if entry.not_before > now => {
                let at = entry.not_before;
                self.turns.arm(handle, Some(at));
            }
            Phase::Absent => self.open(handle),
            Phase::Leaving(_) if is_wanted => self.open(handle),
            Phase::Leaving(id) => {
                entry.phase = Phase::Closing(id);
                self.outbox.push_back(Action::Close(handle, id));
            }
            Phase::Open(_) | Phase::Opening | Phase::Closing(_) => {}
        }
    }

    fn open(&mut self, handle: Handle) {
        if let Some(entry) = self.entries.get_mut(&handle) {
            // What is changed from here on is not in the answer.
            entry.is_stale = false;
            entry.phase = Phase::Opening;
            self.outbox.push_back(Action::Open(handle, entry.name.clone()));
        }
    }

    fn listen(&mut self, handle: Handle) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        if !std::mem::replace(&mut entry.listens, true) {
            self.index.insert(&entry.name.pattern, handle);
            let end = self.window.end();
            if let Some(active) = entry.active_mut() {
                active.look_again(end);
            }
        }
        self.turns.queue(handle);
    }

    fn unlisten(&mut self, handle: Handle) {
        let Some(entry) = self.entries.get_mut(&handle) else { return };
        if std::mem::replace(&mut entry.listens, false) {
            self.index.remove(&entry.name.pattern, handle);
        }
    }
}
