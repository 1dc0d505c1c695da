//! Hints from the operating system that the folder may have changed.
//!
//! A hint says when to look and which writers are done, never what is there: events get lost and merged, and the
//! listing is the truth. Hints collect in a bounded set until the watcher takes them, however long that lasts.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, Flag, ModifyKind, RenameMode},
};
use tokio::sync::Notify;

use super::{listing::FILES_MAX, name::concerns_plugins};

/// From the first event that says that a writer is done to the look at the folder: a burst becomes one look.
const DONE_DELAY: Duration = Duration::from_millis(3);

/// The same for events of files that are still being written, whose end will be told.
const OTHER_DELAY: Duration = Duration::from_millis(50);

/// What the events since the last look amount to.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Entries whose writer closed them, or that were moved into place.
    pub(super) done: BTreeSet<String>,
    /// Something else happened to a plugin's file.
    pub(super) touched: bool,
    /// The folder itself was created, moved or deleted.
    pub(super) folder_changed: bool,
    /// Something happened in the folder, to whatever file: events do arrive.
    pub(super) stirred: bool,
}

/// Collects hints, from the thread that receives events to the watcher.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pending: Mutex<Pending>,
    woken: Notify,
}

impl Hints {
    /// Takes what has collected.
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut *self.lock())
    }

    /// Returns how soon the folder should be looked at; `None` if nothing is known to have changed.
    pub(super) fn delay(&self) -> Option<Duration> {
        let pending = self.lock();
        if !pending.done.is_empty() || pending.folder_changed {
            return Some(DONE_DELAY);
        }
        pending.touched.then_some(OTHER_DELAY)
    }

    /// Waits for a hint.
    ///
    /// # Cancel safety
    /// A hint that arrives meanwhile stays for the next call.
    pub(super) async fn arrived(&self) {
        self.woken.notified().await;
    }

    fn note(&self, folder: &Path, event: &Event) {
        let mut pending = self.lock();
        pending.touched |= event.need_rescan();
        if let Some(meaning) = Meaning::of(event.kind) {
            for path in &event.paths {
                pending.add(folder, path, meaning);
            }
        }
        if pending.touched || pending.folder_changed || !pending.done.is_empty() {
            drop(pending);
            self.woken.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn add(&mut self, folder: &Path, path: &Path, meaning: Meaning) {
        if path == folder {
            self.folder_changed |= meaning.moves_entries;
            return;
        }
        if path.parent() != Some(folder) {
            return;
        }
        self.stirred = true;
        let entry = path.file_name().unwrap_or_default();
        if concerns_plugins(entry.as_bytes()) {
            self.touched = true;
            if let Some(entry) = OsStr::to_str(entry).filter(|_| meaning.is_done && self.done.len() < FILES_MAX) {
                self.done.insert(entry.into());
            }
        }
    }
}

/// What a kind of event says about its path.
#[derive(Debug, Clone, Copy)]
struct Meaning {
    /// The writer is done.
    is_done: bool,
    /// An entry appeared or went away.
    moves_entries: bool,
}

impl Meaning {
    /// Returns `None` for events that the watcher itself causes by reading.
    fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                Some(Self { is_done: true, moves_entries: false })
            }
            EventKind::Access(_) => None,
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Self { is_done: true, moves_entries: true }),
            EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) | EventKind::Remove(_) => {
                Some(Self { is_done: false, moves_entries: true })
            }
            _ => Some(Self { is_done: false, moves_entries: false }),
        }
    }
}

/// Asks for events of the folder, until the returned watch is dropped.
///
/// The parent is watched too, since a folder that is replaced has no event of its own. A folder that is not there yet
/// is no error: the parent tells when it is created.
///
/// # Errors
/// When the system has no watch left, or offers none.
pub(super) fn arm(folder: &Path, hints: Arc<Hints>) -> notify::Result<RecommendedWatcher> {
    let path = folder.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) => hints.note(&path, &event),
        Err(error) => {
            tracing::debug!(%error, "folder events were lost");
            hints.note(&path, &Event::new(EventKind::Other).set_flag(Flag::Rescan));
        }
    })?;
    if let Some(parent) = folder.parent()
        && let Err(error) = watcher.watch(parent, RecursiveMode::NonRecursive)
    {
        tracing::debug!(%error, "the folder's parent cannot be watched");
    }
    match watcher.watch(folder, RecursiveMode::NonRecursive) {
        Err(error) if !matches!(error.kind, notify::ErrorKind::PathNotFound) => Err(error),
        _ => Ok(watcher),
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, RemoveKind};

    use super::*;

    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const READ: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const MOVED_IN: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));

    fn hints_of(kind: EventKind, path: &str) -> Hints {
        let hints = Hints::default();
        hints.note(Path::new("/srv/plugins"), &Event::new(kind).add_path(path.into()));
        hints
    }

    #[test]
    fn looks_at_once_when_a_writer_is_done() {
        for kind in [CLOSED, MOVED_IN] {
            let hints = hints_of(kind, "/srv/plugins/a.wasm");
            assert_eq!(hints.delay(), Some(DONE_DELAY));
            assert!(hints.take().done.contains("a.wasm"));
            assert_eq!(hints.delay(), None);
        }
    }

    #[test]
    fn takes_its_time_while_a_file_is_written() {
        for kind in [WRITTEN, EventKind::Create(CreateKind::File), EventKind::Remove(RemoveKind::File)] {
            assert_eq!(hints_of(kind, "/srv/plugins/a.wasm").delay(), Some(OTHER_DELAY));
        }
    }

    #[test]
    fn does_not_look_for_files_that_are_no_plugins_nor_for_its_own_reading() {
        for (kind, path) in [
            (CLOSED, "/srv/plugins/.a.wasm.swp"),
            (CLOSED, "/srv/plugins/a.wasm.part"),
            (CLOSED, "/srv/other/a.wasm"),
            (WRITTEN, "/srv/plugins"),
            (READ, "/srv/plugins/a.wasm"),
        ] {
            assert_eq!(hints_of(kind, path).delay(), None, "{path}");
        }
    }

    #[test]
    fn knows_that_events_arrive_from_any_change_but_its_own_reading() {
        assert!(hints_of(CLOSED, "/srv/plugins/.probe").take().stirred);
        assert!(!hints_of(READ, "/srv/plugins/.probe").take().stirred);
        assert!(!hints_of(CLOSED, "/srv/other").take().stirred);
    }

    #[test]
    fn sees_the_folder_itself_replaced() {
        for kind in [MOVED_IN, EventKind::Create(CreateKind::Folder), EventKind::Remove(RemoveKind::Folder)] {
            assert!(hints_of(kind, "/srv/plugins").take().folder_changed);
        }
    }

    #[test]
    fn looks_again_when_events_were_lost() {
        let hints = Hints::default();
        hints.note(Path::new("/srv/plugins"), &Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert_eq!(hints.delay(), Some(OTHER_DELAY));
    }

    #[test]
    fn keeps_a_bounded_number_of_hints() {
        let hints = Hints::default();
        for number in 0..2 * FILES_MAX {
            let path = format!("/srv/plugins/p{number}.wasm");
            hints.note(Path::new("/srv/plugins"), &Event::new(CLOSED).add_path(path.into()));
        }
        let pending = hints.take();
        assert_eq!((pending.done.len(), pending.touched), (FILES_MAX, true));
    }
}
