//! From listings to changes: what is known of every file of the folder.
//!
//! Observations and the time go in; what to say and what to read comes out. The number of files is bounded by the
//! listing. Nothing here does I/O or asks the clock.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{
    Change, FileName,
    entry::{Done, Entry, Patience},
    intake::Intake,
    listing::Seen,
};

/// What is known of the folder.
#[derive(Debug)]
pub(super) struct Scan {
    patience: Patience,
    entries: BTreeMap<FileName, Entry>,
    first: First,
}

/// How far the watcher is with the files that were there at the start.
#[derive(Debug, PartialEq, Eq)]
enum First {
    NotSeen,
    Awaits(BTreeSet<FileName>),
    Completed,
}

/// What follows from one listing.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// To be said first.
    pub(super) changes: Vec<Change>,
    /// To be read then; each must be followed by [`Scan::examined`].
    pub(super) examine: Vec<FileName>,
    /// To be said last, so that a renamed file arrives before its old name goes.
    pub(super) removed: Vec<FileName>,
    /// Whether anything in the folder differs from the listing before.
    pub(super) differs: bool,
}

impl Scan {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, entries: BTreeMap::new(), first: First::NotSeen }
    }

    /// Whether any file is known.
    pub(super) fn knows_files(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Takes a listing, and the names of entries whose writers are known to be done.
    pub(super) fn observe(
        &mut self,
        files: &BTreeMap<FileName, Seen>,
        done: &BTreeSet<String>,
        now: Instant,
    ) -> Observed {
        let mut observed = Observed::default();
        let mut changed = BTreeSet::new();
        // What lies there at the start is read without waiting whether it stays as it is: a file that is still
        // being written is found out when it is read, because it ends too early or changes meanwhile.
        let at_start = self.first == First::NotSeen;
        for (name, seen) in files {
            let is_done = |entry: &str| at_start || done.contains(entry);
            let done = Done { file: is_done(name.as_str()), sidecar: is_done(&name.sidecar()) };
            if self.see(name, seen, done, now) {
                changed.insert(name.clone());
            }
        }
        for (name, entry) in &mut self.entries {
            if !files.contains_key(name) && entry.miss(now) {
                changed.insert(name.clone());
            }
        }
        observed.differs = !changed.is_empty();
        self.drop_removed(now, &mut observed);
        self.judge_present(now, &mut observed);
        self.await_first(&changed);
        observed
    }

    fn see(&mut self, name: &FileName, seen: &Seen, done: Done, now: Instant) -> bool {
        match self.entries.get_mut(name) {
            Some(entry) => entry.see(seen, done, now, self.patience),
            None => {
                self.entries.insert(name.clone(), Entry::new(seen, done, now));
                true
            }
        }
    }

    fn drop_removed(&mut self, now: Instant, observed: &mut Observed) {
        let patience = self.patience;
        for (file, entry) in self.entries.extract_if(.., |_, entry| entry.is_over(now, patience)) {
            if entry.was_spoken_of() {
                observed.removed.push(file);
            }
        }
    }

    fn judge_present(&mut self, now: Instant, observed: &mut Observed) {
        for (name, entry) in self.entries.iter_mut().filter(|(_, entry)| !entry.is_gone()) {
            observed.changes.extend(entry.judge(name, now, self.patience));
            if entry.start_examination(name, now, self.patience) {
                observed.examine.push(name.clone());
            }
        }
    }

    /// A file of the start that changes is being written: nothing waits for it.
    fn await_first(&mut self, changed: &BTreeSet<FileName>) {
        match &mut self.first {
            First::NotSeen => {
                let readable = self.entries.iter().filter(|(name, entry)| entry.is_readable(name));
                self.first = First::Awaits(readable.map(|(name, _)| name.clone()).collect());
            }
            First::Awaits(files) => files.retain(|name| !changed.contains(name)),
            First::Completed => {}
        }
    }

    /// Takes what came of reading a file and returns what is to be said.
    pub(super) fn examined(&mut self, name: &FileName, intake: Intake, now: Instant) -> Option<Change> {
        if let First::Awaits(files) = &mut self.first {
            files.remove(name);
        }
        self.entries.get_mut(name)?.examined(name, intake, now)
    }

    /// Returns true once, when every file that was there at the start has been read.
    pub(super) fn completes(&mut self) -> bool {
        let completes = matches!(&self.first, First::Awaits(files) if files.is_empty());
        if completes {
            self.first = First::Completed;
        }
        completes
    }

    /// When the folder needs another look, even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|(name, entry)| entry.due(name, self.patience)).min()
    }
}

#[cfg(test)]
mod tests;
