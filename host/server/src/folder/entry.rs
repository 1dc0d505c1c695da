//! What is known of one file, and what was said of it.
//!
//! A file is read when both it and its sidecar are settled: their writer closed them or moved them into place, or they
//! stayed the same for the settle time. It is spoken of when that differs from what was last said of it.
//!
//! Nothing here does I/O or asks the clock.

use std::time::Duration;

use backplane_runtime::ContentHash;
use tokio::time::Instant;

use super::{
    Arrival, Change, FileKind, FileName, RefuseReason,
    intake::Intake,
    listing::{Seen, Stamp},
};

/// How patient the watcher is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long a file stays the same before it is read, when nothing says that its writer is done.
    pub(super) settle_time: Duration,
    /// How long a file is gone before it counts as removed.
    pub(super) removal_grace: Duration,
    /// How long a file that ends too early stays the same before it is refused.
    pub(super) incomplete_grace: Duration,
}

/// What is known of one file.
#[derive(Debug)]
pub(super) struct Entry {
    kind: FileKind,
    file: Half,
    sidecar: Option<Half>,
    gone: Option<Instant>,
    /// Whether this state of the file was read.
    is_examined: bool,
    /// Set when this state was read and ends too early.
    truncated_bytes: Option<u64>,
    said: Said,
}

/// A file or its sidecar.
#[derive(Debug, Clone, Copy)]
struct Half {
    stamp: Stamp,
    /// When this state was first seen.
    since: Instant,
    /// Whether the writer of this state is known to be done.
    is_done: bool,
}

/// What was last said of a file.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Arrived { hash: ContentHash, sidecar: Option<ContentHash> },
    Refused { hash: Option<ContentHash>, reason: RefuseReason },
}

/// Which writers are known to be done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) file: bool,
    pub(super) sidecar: bool,
}

impl Half {
    /// Takes a new look and returns whether anything differs.
    fn see(&mut self, stamp: Stamp, is_done: bool, now: Instant) -> bool {
        if self.stamp == stamp {
            self.is_done |= is_done;
            return false;
        }
        *self = Self { stamp, since: now, is_done };
        true
    }

    fn settles_at(&self, patience: Patience) -> Instant {
        if self.is_done { self.since } else { self.since + patience.settle_time }
    }
}

impl Entry {
    pub(super) fn new(seen: &Seen, done: Done, now: Instant) -> Self {
        let half = |stamp, is_done| Half { stamp, since: now, is_done };
        Self {
            kind: seen.kind,
            file: half(seen.stamp, done.file),
            sidecar: seen.sidecar.map(|stamp| half(stamp, done.sidecar)),
            gone: None,
            is_examined: false,
            truncated_bytes: None,
            said: Said::Nothing,
        }
    }

    /// Takes a new look at a file that is there, and returns whether it differs from the last look.
    pub(super) fn see(&mut self, seen: &Seen, done: Done, now: Instant, patience: Patience) -> bool {
        let mut differs = self.gone.take().is_some();
        differs |= self.file.see(seen.stamp, done.file, now);
        differs |= self.see_sidecar(seen.sidecar, done.sidecar, now, patience);
        differs |= std::mem::replace(&mut self.kind, seen.kind) != seen.kind;
        if differs || done.file || done.sidecar {
            self.is_examined = false;
            self.truncated_bytes = None;
        }
        differs
    }

    /// A sidecar that goes away counts as there for a while: editors remove a file before they rename the new one.
    fn see_sidecar(&mut self, stamp: Option<Stamp>, is_done: bool, now: Instant, patience: Patience) -> bool {
        match (&mut self.sidecar, stamp) {
            (Some(sidecar), Some(stamp)) => sidecar.see(stamp, is_done, now),
            (None, Some(stamp)) => {
                self.sidecar = Some(Half { stamp, since: now, is_done });
                true
            }
            (Some(sidecar), None) => {
                let differs = sidecar.see(Stamp::NONE, false, now);
                if now >= sidecar.since + patience.removal_grace {
                    self.sidecar = None;
                }
                differs || self.sidecar.is_none()
            }
            (None, None) => false,
        }
    }

    /// Notes that the file is not there; returns whether that is news.
    pub(super) fn miss(&mut self, now: Instant) -> bool {
        let is_news = self.gone.is_none();
        self.gone.get_or_insert(now);
        is_news
    }

    /// Whether the file is gone for good.
    pub(super) fn is_over(&self, now: Instant, patience: Patience) -> bool {
        self.gone.is_some_and(|gone| self.said == Said::Nothing || now >= gone + patience.removal_grace)
    }

    /// Whether anything was said of the file.
    pub(super) fn was_spoken_of(&self) -> bool {
        self.said != Said::Nothing
    }

    /// Whether this state of the file is still to be read.
    fn is_awaited(&self, name: &FileName) -> bool {
        !self.is_examined && self.gone.is_none() && self.is_readable(name)
    }

    /// Whether the last look did not find the file.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// Whether the file is one that is read at all.
    pub(super) fn is_readable(&self, name: &FileName) -> bool {
        self.kind == FileKind::Regular && name.plugin().is_some()
    }

    /// Returns whether the file should be read now, and counts it as read.
    pub(super) fn start_examination(&mut self, name: &FileName, now: Instant, patience: Patience) -> bool {
        let starts = self.is_awaited(name) && self.settles_at(patience) <= now;
        self.is_examined |= starts;
        starts
    }

    /// When the file may be read. A sidecar that may come back is waited for.
    fn settles_at(&self, patience: Patience) -> Instant {
        let file = self.file.settles_at(patience);
        self.sidecar.as_ref().map_or(file, |sidecar| match sidecar.stamp {
            Stamp::NONE => sidecar.since + patience.removal_grace,
            _ => file.max(sidecar.settles_at(patience)),
        })
    }

    /// Returns what is to be said of the file without reading it.
    pub(super) fn judge(&mut self, name: &FileName, now: Instant, patience: Patience) -> Option<Change> {
        let reason = match self.truncated_bytes {
            _ if name.plugin().is_none() => RefuseReason::Misnamed { suggestion: name.suggestion() },
            _ if self.kind != FileKind::Regular => RefuseReason::NotAFile { kind: self.kind },
            Some(bytes) if now >= self.file.since + patience.incomplete_grace => RefuseReason::Incomplete { bytes },
            _ => return None,
        };
        self.refuse(name, None, reason)
    }

    /// Takes what came of reading the file and returns what is to be said.
    pub(super) fn examined(&mut self, name: &FileName, intake: Intake, now: Instant) -> Option<Change> {
        match intake {
            Intake::Complete { hash, bytes, sidecar } => {
                let plugin = name.plugin()?.clone();
                let arrival = Arrival { file: name.clone(), plugin, hash, bytes, sidecar };
                let sidecar = arrival.sidecar.as_deref().map(|text| ContentHash::of(text.as_bytes()));
                self.say(Said::Arrived { hash, sidecar }).then_some(Change::Arrived(arrival))
            }
            Intake::Truncated { bytes } => {
                self.truncated_bytes = Some(bytes);
                None
            }
            Intake::Changed => {
                self.is_examined = false;
                self.file = Half { since: now, is_done: false, ..self.file };
                None
            }
            Intake::Refused { hash, reason } => self.refuse(name, hash, reason),
        }
    }

    fn refuse(&mut self, name: &FileName, hash: Option<ContentHash>, reason: RefuseReason) -> Option<Change> {
        let is_news = self.say(Said::Refused { hash, reason: reason.clone() });
        is_news.then(|| Change::Refused { file: name.clone(), hash, reason })
    }

    /// Returns whether that is news.
    fn say(&mut self, said: Said) -> bool {
        let is_news = self.said != said;
        self.said = said;
        is_news
    }

    /// When this file needs another look, even if nothing happens.
    pub(super) fn due(&self, name: &FileName, patience: Patience) -> Option<Instant> {
        if let Some(gone) = self.gone {
            return Some(gone + patience.removal_grace);
        }
        if self.is_awaited(name) {
            return Some(self.settles_at(patience));
        }
        let refused = Said::Refused { hash: None, reason: RefuseReason::Incomplete { bytes: self.truncated_bytes? } };
        (self.said != refused).then(|| self.file.since + patience.incomplete_grace)
    }
}
