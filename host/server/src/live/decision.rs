//! Waiting for the supervisor: what it made of a file.

use std::time::Duration;

use backplane_runtime::ContentHash;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use super::{Command, Live, PluginView};
use crate::folder::FileName;

/// Between two looks, where nothing is published that would wake.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a file may go unnoticed in the folder: longer than any pause between two looks at it.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a file may take to be compiled and tried out, with those before it.
const LOAD_TIMEOUT: Duration = Duration::from_secs(9 * 60);

/// What became of a file's content.
#[derive(Debug)]
pub enum Decision {
    /// It takes calls.
    Live(Box<PluginView>),
    /// It does not, and why.
    Refused(String),
    /// There is other content by now, or nobody decides any more.
    Superseded,
}

/// How far the supervisor is with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The content that it knows.
    pub(super) hash: Option<ContentHash>,
    /// Whether it is being loaded.
    pub(super) is_loading: bool,
}

impl Live {
    /// Waits until the content `hash` of a file that was just written is decided on.
    pub async fn decided(&self, file: &FileName, hash: ContentHash) -> Decision {
        let mut changes = self.changes();
        let started = Instant::now();
        let mut was_seen = false;
        loop {
            changes.mark_unchanged();
            let progress = match self.progress(file).await {
                Ok(progress) => progress,
                Err(Stopping) => return Decision::Superseded,
            };
            let is_seen = progress.is_some_and(|progress| progress.hash == Some(hash));
            match progress {
                Some(progress) if is_seen && !progress.is_loading => return self.decision(file, hash),
                _ if was_seen && !is_seen => return Decision::Superseded,
                _ => {}
            }
            was_seen |= is_seen;
            let patience = if was_seen { LOAD_TIMEOUT } else { NOTICE_TIMEOUT };
            if started.elapsed() > patience {
                return Decision::Superseded;
            }
            let _woken = timeout_at(Instant::now() + LOOK_INTERVAL, changes.changed()).await;
        }
    }

    /// Waits until a file that was just deleted brings nothing any more; `false` when it does not come to that.
    pub async fn gone(&self, file: &FileName) -> bool {
        let started = Instant::now();
        while started.elapsed() < NOTICE_TIMEOUT {
            match self.progress(file).await {
                Ok(None) => return true,
                Ok(Some(_)) => sleep(LOOK_INTERVAL / 5).await,
                Err(Stopping) => return false,
            }
        }
        false
    }

    fn decision(&self, file: &FileName, hash: ContentHash) -> Decision {
        let snapshot = self.snapshot();
        if let Some((name, live)) = snapshot.plugins.iter().find(|(_, live)| live.file == *file) {
            return match (&live.newest_failure, live.mounted.generation.hash() == hash, snapshot.view(name.as_str())) {
                (None, true, Some(view)) => Decision::Live(Box::new(view)),
                (Some(reason), ..) => Decision::Refused(reason.clone()),
                // An operator chose another version instead of this very content.
                (None, ..) => {
                    Decision::Refused("an earlier version was chosen instead of it: roll back to this one".to_owned())
                }
            };
        }
        match snapshot.failed.get(file) {
            Some(failed) => Decision::Refused(failed.reason.clone()),
            None => Decision::Superseded,
        }
    }

    async fn progress(&self, file: &FileName) -> Result<Option<Progress>, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Look { file: file.clone(), reply }).await.map_err(|_closed| Stopping)?;
        answer.await.map_err(|_closed| Stopping)
    }
}

/// The supervisor has ended.
struct Stopping;
