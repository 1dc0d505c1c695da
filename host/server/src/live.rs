//! Which plugins are live.
//!
//! A [`Snapshot`] is immutable. Requests read the current one without a lock; the [`supervisor`] alone makes the
//! next one, on the side, and publishes it with one atomic swap. So a request sees all of a change or nothing
//! of it.

mod decision;
mod load;
mod snapshot;
mod supervisor;
mod view;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwap, Guard};
use backplane_runtime::{ContentHash, PluginName};
use tokio::sync::{mpsc, oneshot, watch};

use self::decision::Progress;
pub(crate) use self::load::{AttemptError, mount_of, settings_of};
pub use self::{
    decision::Decision,
    snapshot::{Draining, FailedFile, LivePlugin, LoadingFile, Snapshot},
    supervisor::Supervisor,
    view::{MethodView, PluginState, PluginView, RouteView, ServiceView},
};
use crate::{dispatch::RouteTable, folder::FileName};

/// Requests of operators that wait for the supervisor at the same time.
const COMMANDS_MAX: usize = 16;

/// The current snapshot, and the way to ask for another.
#[derive(Debug)]
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    ready: AtomicBool,
    /// Moves with every new snapshot.
    revision: watch::Sender<u64>,
    commands: mpsc::Sender<Command>,
}

/// What an operator asks of the supervisor.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make an earlier version the live one.
    RollBack {
        plugin: PluginName,
        /// Which one; the one before the live one when absent.
        to: Option<ContentHash>,
        reply: oneshot::Sender<Result<(), RollBackError>>,
    },
    /// Say how far it is with a file; `None` for one that it does not know.
    Look { file: FileName, reply: oneshot::Sender<Option<Progress>> },
}

/// Why a plugin was not rolled back. It serves as before.
#[derive(Debug, thiserror::Error)]
pub enum RollBackError {
    /// No plugin of this name is live.
    #[error("no plugin of this name is live")]
    UnknownPlugin,
    /// The wanted version is not kept.
    #[error("this version of the plugin is not kept")]
    UnknownVersion,
    /// The live version is the oldest that is kept.
    #[error("the live version is the oldest that is kept")]
    NoEarlierVersion,
    /// The version is kept, and does not load any more.
    #[error("the version does not load: {0}")]
    Load(String),
    /// The folder changed meanwhile, or the server is stopping.
    #[error("the plugin's file changed meanwhile")]
    Superseded,
    /// The choice cannot be written down, so a restart would undo it.
    #[error("the choice cannot be kept")]
    Keep(#[source] crate::versions::PinError),
}

impl Live {
    /// Makes a registry without plugins, and the supervisor's end of it.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (snapshot, ready) = (ArcSwap::default(), AtomicBool::new(false));
        let live = Self { snapshot, ready, revision: watch::Sender::new(0), commands };
        (Arc::new(live), receiver)
    }

    /// Returns the routes of this moment, to be used and let go of at once.
    pub fn routes(&self) -> impl std::ops::Deref<Target = RouteTable> {
        Routes(self.snapshot.load())
    }

    /// Returns all that is known of plugins at this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Returns whether the folder was scanned and each plugin that was in it has been decided on.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Says when there is a new snapshot, or the host became ready.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Makes an earlier version of a plugin the live one. Calls in flight finish on the version that they
    /// started with.
    ///
    /// # Errors
    /// When there is no such version, or it does not load; the live one then stays.
    pub async fn roll_back(&self, plugin: PluginName, to: Option<ContentHash>) -> Result<(), RollBackError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::RollBack { plugin, to, reply };
        self.commands.send(command).await.map_err(|_| RollBackError::Superseded)?;
        answer.await.unwrap_or(Err(RollBackError::Superseded))
    }

    fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.revision.send_modify(|revision| *revision += 1);
    }

    fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
        self.revision.send_modify(|revision| *revision += 1);
    }
}

struct Routes(Guard<Arc<Snapshot>>);

impl std::ops::Deref for Routes {
    type Target = RouteTable;

    fn deref(&self) -> &RouteTable {
        &self.0.routes
    }
}
