//! How the watcher looks at the folder: on events, at intervals, and on which folder.
//!
//! The path may name another folder than before: it was deleted and made again, renamed over, or is a symbolic link
//! that was turned. Then the native watch is armed anew. Where events do not arrive, the folder is polled as well;
//! the watch stays, since some events are better than none.

use std::{path::PathBuf, sync::Arc, time::Duration};

use notify::RecommendedWatcher;
use tokio::{task::spawn_blocking, time::Instant};
use tracing::{debug, error, info, warn};

use super::{
    listing::{self, FILES_MAX, Identity, Listing},
    native::{self, Hints, Pending},
};
use crate::config::{FolderConfig, WatchMode};

/// How long an event may take that a change in the folder must cause. After that events count as not arriving.
const EVENT_DELAY_MAX: Duration = Duration::from_millis(1500);

/// Start of the name of the file that is made to see whether events arrive; a name that is not looked at.
const PROBE_PREFIX: &str = ".backplane-probe-";

/// How and where the watcher looks.
pub(super) struct Attention {
    path: PathBuf,
    config: FolderConfig,
    hints: Arc<Hints>,
    /// None when the folder is only polled, or when the system has no watch left.
    native: Option<RecommendedWatcher>,
    /// The folder that `native` is armed for; none while there is no folder.
    identity: Option<Identity>,
    /// Whether the watch must be armed whatever the identity: at the start, and when the folder is known to be moved.
    is_unarmed: bool,
    /// Whether this is the first look since the watch was armed, when a change without an event means nothing.
    is_fresh: bool,
    /// Whether the folder is looked at every poll interval.
    polls: bool,
    /// When events count as not arriving, unless one does.
    silent_at: Option<Instant>,
    /// As last logged.
    condition: Condition,
}

/// What one look found.
pub(super) enum Look {
    Listed(Listing),
    /// There is no folder.
    Missing,
    /// Nothing is known of the folder's content: it stays as it was.
    Unreadable,
}

/// The state of the folder as a whole, logged when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Fine,
    Crowded,
    Missing,
    Unreadable,
}

impl Attention {
    pub(super) fn new(path: PathBuf, config: FolderConfig) -> Self {
        Self {
            polls: config.watch == WatchMode::Poll,
            path,
            config,
            hints: Arc::default(),
            native: None,
            identity: None,
            is_unarmed: true,
            is_fresh: true,
            silent_at: None,
            condition: Condition::Fine,
        }
    }

    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Returns the time from one look to the next when nothing happens.
    pub(super) fn interval(&self) -> Duration {
        let is_absent = matches!(self.condition, Condition::Missing | Condition::Unreadable);
        if self.polls || is_absent { self.config.poll_interval } else { self.config.rescan_interval }
    }

    /// When a look is needed before that.
    pub(super) fn due(&self) -> Option<Instant> {
        self.silent_at
    }

    /// Looks at the folder, and arms the watch if it is another folder than before.
    pub(super) async fn look(&mut self, pending: &Pending) -> Look {
        self.is_unarmed |= pending.folder_changed;
        let look = self.list().await;
        let identity = match &look {
            Look::Listed(listing) => Some(listing.identity),
            Look::Missing => None,
            Look::Unreadable => return look,
        };
        if !self.is_unarmed && self.identity == identity {
            return look;
        }
        self.identity = identity;
        self.is_unarmed = false;
        self.arm(&look).await;
        // What happened before the watch was armed caused no event, so the listing above may be old.
        self.list().await
    }

    async fn list(&mut self) -> Look {
        let path = self.path.clone();
        match spawn_blocking(move || listing::list(&path)).await.map_err(std::io::Error::other) {
            Ok(Ok(Some(listing))) => {
                self.enter(if listing.truncated { Condition::Crowded } else { Condition::Fine });
                Look::Listed(listing)
            }
            Ok(Ok(None)) => {
                self.enter(Condition::Missing);
                Look::Missing
            }
            Ok(Err(problem)) | Err(problem) => {
                if self.condition != Condition::Unreadable {
                    error!(folder = %self.path.display(), error = %problem, "the plugin folder cannot be read");
                }
                self.enter(Condition::Unreadable);
                Look::Unreadable
            }
        }
    }

    fn enter(&mut self, condition: Condition) {
        if self.condition == condition {
            return;
        }
        self.condition = condition;
        let folder = self.path.display();
        match condition {
            Condition::Fine => info!(%folder, "the plugin folder is in order again"),
            Condition::Crowded => {
                warn!(%folder, files_max = FILES_MAX, "the plugin folder holds more files than are looked at");
            }
            Condition::Missing => warn!(%folder, "the plugin folder is gone: its plugins are being removed"),
            Condition::Unreadable => {}
        }
    }

    async fn arm(&mut self, look: &Look) {
        let folder = self.path.display();
        let listing = if let Look::Listed(listing) = look { Some(listing) } else { None };
        if listing.is_some_and(|listing| listing.world_writable) {
            warn!(%folder, "every user of this machine can put plugins into the folder: remove their right to write");
        }
        self.is_fresh = true;
        self.silent_at = None;
        if self.config.watch == WatchMode::Poll {
            info!(%folder, mode = "poll", "watching the plugin folder");
            return;
        }
        let (path, hints) = (self.path.clone(), Arc::clone(&self.hints));
        let armed = spawn_blocking(move || native::arm(&path, hints)).await.map_err(|panic| panic.to_string());
        match armed.and_then(|armed| armed.map_err(|error| error.to_string())) {
            Ok(watcher) => {
                self.native = Some(watcher);
                self.polls = self.config.watch == WatchMode::Auto && listing.is_some_and(|listing| listing.shared);
                let mode = if self.polls { "native and poll" } else { "native" };
                info!(%folder, mode, "watching the plugin folder");
            }
            Err(problem) => {
                self.native = None;
                self.polls = true;
                warn!(%folder, mode = "poll", error = problem, "polling the plugin folder: it cannot be watched");
            }
        }
        if listing.is_some() && self.expects_events() {
            self.probe().await;
        }
    }

    /// Whether silence would be news.
    fn expects_events(&self) -> bool {
        self.config.watch == WatchMode::Auto && self.native.is_some() && !self.polls
    }

    /// Makes a file, and deletes it, to see whether that causes an event. A folder that only others may write to is
    /// judged by what they do: see [`Attention::check_events`].
    async fn probe(&mut self) {
        let path = self.path.clone();
        let probe = move || tempfile::Builder::new().prefix(PROBE_PREFIX).tempfile_in(path).map(drop);
        match spawn_blocking(probe).await {
            Ok(Ok(())) => self.silent_at = Some(Instant::now() + EVENT_DELAY_MAX),
            failure => debug!(?failure, "no probe can be made in the plugin folder"),
        }
    }

    /// Compares what the events said with what the listing showed, and polls when a change caused no event.
    pub(super) fn check_events(&mut self, pending: &Pending, differs: bool, now: Instant) {
        let is_fresh = std::mem::replace(&mut self.is_fresh, false);
        if pending.stirred || !self.expects_events() {
            self.silent_at = None;
        } else if self.silent_at.is_some_and(|silent_at| now >= silent_at) {
            self.silent_at = None;
            self.polls = true;
            let folder = self.path.display();
            warn!(%folder, mode = "native and poll", "polling the plugin folder: changes in it cause no events");
        } else if differs && !is_fresh && self.silent_at.is_none() {
            self.silent_at = Some(now + EVENT_DELAY_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// Looks at a new folder twice: the second look is one that nothing but an event explains.
    async fn settled(watch: WatchMode) -> Result<(TempDir, Attention), std::io::Error> {
        let folder = tempfile::tempdir()?;
        let mut attention = Attention::new(folder.path().to_owned(), FolderConfig { watch, ..Default::default() });
        let nothing = Pending::default();
        attention.look(&nothing).await;
        attention.check_events(&nothing, true, Instant::now());
        attention.check_events(&Pending { stirred: true, ..Pending::default() }, false, Instant::now());
        Ok((folder, attention))
    }

    #[tokio::test]
    async fn events_are_expected_of_the_probe() -> TestResult {
        let folder = tempfile::tempdir()?;
        let mut attention = Attention::new(folder.path().to_owned(), FolderConfig::default());
        attention.look(&Pending::default()).await;
        let silent_at = attention.due().ok_or("an event is expected")?;
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);

        attention.check_events(&Pending::default(), false, silent_at - Duration::from_millis(1));
        assert_eq!(attention.interval(), FolderConfig::default().rescan_interval);
        attention.check_events(&Pending::default(), false, silent_at);
        assert_eq!(attention.interval(), FolderConfig::default().poll_interval);
        assert_eq!(attention.due(), None);
        Ok(())
    }

    #[tokio::test]
    async fn the_probe_causes_an_event_here() -> TestResult {
        let folder = tempfile::tempdir()?;
        let mut attention = Attention::new(folder.path().to_owned(), FolderConfig::default());
        attention.look(&Pending::default()).await;
        while !attention.hints().take().stirred {
            tokio::task::yield_now().await;
        }
        assert_eq!(attention.hints().delay(), None, "the probe is no reason to look");
        Ok(())
    }

    #[tokio::test]
    async fn a_change_without_an_event_leads_to_polling() -> TestResult {
        let (_folder, mut attention) = settled(WatchMode::Auto).await?;
        assert_eq!(attention.due(), None);
        attention.check_events(&Pending::default(), true, Instant::now());
        let silent_at = attention.due().ok_or("an event is expected")?;
        attention.check_events(&Pending::default(), false, silent_at);
        assert_eq!(attention.interval(), FolderConfig::default().poll_interval);
        Ok(())
    }

    #[tokio::test]
    async fn a_late_event_is_an_event() -> TestResult {
        let (_folder, mut attention) = settled(WatchMode::Auto).await?;
        attention.check_events(&Pending::default(), true, Instant::now());
        let late = Pending { stirred: true, ..Pending::default() };
        attention.check_events(&late, false, Instant::now() + EVENT_DELAY_MAX);
        assert_eq!((attention.due(), attention.interval()), (None, FolderConfig::default().rescan_interval));
        Ok(())
    }

    #[tokio::test]
    async fn silence_says_nothing_where_the_operator_chose() -> TestResult {
        for (mode, interval) in [
            (WatchMode::Native, FolderConfig::default().rescan_interval),
            (WatchMode::Poll, FolderConfig::default().poll_interval),
        ] {
            let (_folder, mut attention) = settled(mode).await?;
            attention.check_events(&Pending::default(), true, Instant::now());
            assert_eq!((attention.due(), attention.interval()), (None, interval));
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_missing_folder_is_looked_for_often() -> TestResult {
        let (folder, mut attention) = settled(WatchMode::Native).await?;
        folder.close()?;
        assert!(matches!(attention.look(&Pending::default()).await, Look::Missing));
        assert_eq!(attention.interval(), FolderConfig::default().poll_interval);
        Ok(())
    }
}
