//! The loop: waits for a hint or for its time, lists the folder, reads what is settled, says what changed.
//!
//! Only this module asks the clock. Listing and reading run on threads that may block. One file is read at a time, and
//! the next when the one before is in the channel, whose bound therefore bounds the memory. A file that changes while
//! the channel is full is read once, with its last content.

use std::{collections::BTreeMap, os::fd::AsFd, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::{
    Change, FileName, RefuseReason,
    attention::{Attention, Look},
    entry::Patience,
    intake::{self, Acceptance, Intake},
    listing::Listing,
    scan::Scan,
};
use crate::config::FolderConfig;

/// How long a file that ends too early may stay as it is before it is refused.
const INCOMPLETE_GRACE: Duration = Duration::from_secs(30);

/// The watcher's state between two looks.
pub(super) struct Watcher {
    attention: Attention,
    acceptance: Acceptance,
    changes: mpsc::Sender<Change>,
    scan: Scan,
}

/// The receiver of changes is gone, and with it the reason to watch.
pub(super) struct Unheard;

impl Watcher {
    pub(super) fn new(
        path: PathBuf,
        config: FolderConfig,
        acceptance: Acceptance,
        changes: mpsc::Sender<Change>,
    ) -> Self {
        let patience = Patience {
            settle_time: config.settle_time,
            removal_grace: config.removal_grace,
            incomplete_grace: INCOMPLETE_GRACE,
        };
        Self { attention: Attention::new(path, config), acceptance, changes, scan: Scan::new(patience) }
    }

    /// Watches until nobody listens.
    ///
    /// # Cancel safety
    /// Dropping it stops the watch; a file that is being read is read to its end on its own thread, and dropped.
    pub(super) async fn run(mut self) -> Unheard {
        loop {
            if let Err(unheard) = self.look().await {
                return unheard;
            }
            self.wait().await;
        }
    }

    /// Waits until the folder should be looked at.
    async fn wait(&self) {
        let regular = Instant::now() + self.attention.interval();
        let mut due = [self.scan.due(), self.attention.due()].into_iter().flatten().fold(regular, Instant::min);
        loop {
            if let Some(delay) = self.attention.hints().delay() {
                due = due.min(Instant::now() + delay);
            }
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.attention.hints().arrived() => {}
            }
        }
    }

    /// Looks at the folder once and says what is to be said.
    async fn look(&mut self) -> Result<(), Unheard> {
        let pending = self.attention.hints().take();
        let look = self.attention.look(&pending).await;
        let nothing = BTreeMap::new();
        let files = match &look {
            Look::Listed(listing) => &listing.files,
            Look::Unreadable if self.scan.knows_files() => return Ok(()),
            Look::Missing | Look::Unreadable => &nothing,
        };
        let observed = self.scan.observe(files, &pending.done, Instant::now());
        self.attention.check_events(&pending, observed.differs, Instant::now());
        for change in observed.changes {
            self.say(change).await?;
        }
        if let Look::Listed(listing) = &look {
            for name in observed.examine {
                self.examine(listing, name).await?;
            }
        }
        for file in observed.removed {
            self.say(Change::Removed { file }).await?;
        }
        if self.scan.completes() { self.say(Change::ScanCompleted).await } else { Ok(()) }
    }

    async fn examine(&mut self, listing: &Listing, name: FileName) -> Result<(), Unheard> {
        let Some(seen) = listing.files.get(&name).copied() else { return Ok(()) };
        let (folder, file, acceptance) = (Arc::clone(&listing.folder), name.clone(), self.acceptance);
        let reading = spawn_blocking(move || intake::read(folder.as_fd(), &file, &seen, acceptance));
        let intake = reading.await.unwrap_or_else(|panic| Intake::Refused {
            hash: None,
            reason: RefuseReason::Unreadable { error: panic.to_string() },
        });
        match self.scan.examined(&name, intake, Instant::now()) {
            Some(change) => self.say(change).await,
            None => Ok(()),
        }
    }

    async fn say(&self, change: Change) -> Result<(), Unheard> {
        self.changes.send(change).await.map_err(|_| Unheard)
    }
}
