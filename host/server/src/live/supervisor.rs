//! Decides which plugins are live: the only writer of the snapshot.
//!
//! It hears of the folder and of operators one after the other, loads beside that, and publishes what loaded.
//! A file that is refused changes nothing that serves. It owns all its state and takes no lock; it runs on a
//! thread of its own, so it may wait for the disk.

mod absent;
mod claims;
mod declare;
mod fall_back;
mod publish;
mod removal;
mod roll_back;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use backplane_runtime::{ContentHash, PluginName, Source, describe};
use tokio::{sync::mpsc, task::JoinSet};

use self::{
    claims::{Obstacle, Waiting},
    publish::PublishError,
};
use super::{
    Command, FailedFile, Live, LivePlugin, LoadingFile, RollBackError,
    load::{Attempt, AttemptError, Candidate, Loaded, Outcome, Purpose, mount_of},
};
use crate::{
    app::App,
    dispatch::Mounted,
    folder::{Arrival, Change, FileName},
    problem::Chain,
    versions::VersionRecord,
};

/// Loads that run or wait for the compiler at the same time. More changes wait in the folder's channel.
const LOADS_MAX: usize = 32;

/// What is known of one file in the folder.
#[derive(Debug)]
struct File {
    /// Of the newest attempt; older ones do not count any more.
    ticket: u64,
    hash: Option<ContentHash>,
    /// The plugin that this file alone may provide.
    provides: Option<PluginName>,
    /// What it holds, until the newest attempt has ended: a rollback goes before it, and must not lose it.
    undecided: Option<Arrival>,
    /// What it holds, where that is to be tried again when another plugin goes.
    waiting: Option<Waiting>,
    /// The newest attempt, until it has ended. No other file may provide its plugin meanwhile.
    loading: Option<LoadingFile>,
}

impl File {
    /// Takes what it holds, unless that was decided on.
    fn take_undecided(&mut self) -> Option<Arrival> {
        let waiting = self.waiting.take().map(|waiting| waiting.arrival);
        self.undecided.take().or(waiting)
    }
}

/// The supervisor's state.
pub struct Supervisor {
    app: Arc<App>,
    changes: mpsc::Receiver<Change>,
    commands: mpsc::Receiver<Command>,
    files: BTreeMap<FileName, File>,
    loads: JoinSet<Outcome>,
    last_ticket: u64,
    /// Attempts that the host is not ready without; `None` until the first scan is through, and after.
    starting: Option<BTreeSet<u64>>,
}

impl Supervisor {
    pub(crate) fn new(app: Arc<App>, changes: mpsc::Receiver<Change>, commands: mpsc::Receiver<Command>) -> Self {
        Self { app, changes, commands, files: BTreeMap::new(), loads: JoinSet::new(), last_ticket: 0, starting: None }
    }

    /// Runs until the process is told to stop.
    pub async fn run(mut self) {
        let shutdown = self.app.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(ended) = self.loads.join_next() => match ended {
                    Ok(outcome) => self.finish(outcome),
                    Err(error) => tracing::error!(%error, "a load was lost"),
                },
                Some(command) = self.commands.recv() => self.obey(command),
                change = self.changes.recv(), if self.loads.len() < LOADS_MAX => match change {
                    Some(change) => self.hear(change),
                    None => return,
                },
            }
            self.show_loading();
        }
    }

    fn live(&self) -> &Live {
        &self.app.live
    }

    fn hear(&mut self, change: Change) {
        match change {
            Change::Arrived(arrival) => self.arrive(arrival),
            Change::Removed { file } => self.remove(&file),
            Change::Refused { file, hash, reason } => {
                self.next_ticket(&file, hash);
                let failed = FailedFile { hash, ..failed(&file, reason.to_string()) };
                self.refuse(&file, Refusal { failed, waiting: None });
            }
            Change::ScanCompleted => {
                let waited_for = self.files.values().map(|file| file.ticket);
                let loading = waited_for.filter(|_| !self.loads.is_empty());
                self.starting = Some(loading.collect());
                self.settle(0);
            }
        }
        self.try_freed();
    }

    /// Notes that an attempt has ended, and that the host is ready when none is left from its start.
    fn settle(&mut self, ticket: u64) {
        let Some(starting) = &mut self.starting else { return };
        // An earlier version may be loaded in the place of one that failed, in the same attempt.
        if !self.files.values().any(|file| file.ticket == ticket && file.loading.is_some()) {
            starting.remove(&ticket);
        }
        if self.loads.is_empty() {
            starting.clear();
        }
        if starting.is_empty() && !self.live().is_ready() {
            self.live().set_ready();
            tracing::info!(plugins = self.live().snapshot().plugins.len(), "ready");
            self.warn_of_absent();
            self.close_undeclared();
        }
    }

    /// Makes the attempts for `file` so far count no more.
    fn next_ticket(&mut self, file: &FileName, hash: Option<ContentHash>) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        // The host is not ready without what the file holds by now, either.
        let before = self.files.get(file).map(|known| known.ticket);
        if let (Some(starting), Some(before)) = (&mut self.starting, before)
            && starting.remove(&before)
        {
            starting.insert(ticket);
        }
        let known = self.files.entry(file.clone()).or_insert(File {
            ticket,
            hash,
            provides: None,
            undecided: None,
            waiting: None,
            loading: None,
        });
        (known.ticket, known.hash) = (ticket, hash);
        (known.undecided, known.waiting, known.loading) = (None, None, None);
        ticket
    }

    fn arrive(&mut self, arrival: Arrival) {
        let file = arrival.file.clone();
        let ticket = self.next_ticket(&file, Some(arrival.hash));
        match self.prepare(ticket, &arrival) {
            Ok(attempt) => self.start(attempt, Some(arrival)),
            Err(refusal) => self.refuse(&file, *refusal),
        }
    }

    /// Checks all that can be known without an engine.
    fn prepare(&mut self, ticket: u64, arrival: &Arrival) -> Result<Attempt, Box<Refusal>> {
        let file = arrival.file.clone();
        let refusal = |reason: String| FailedFile { hash: Some(arrival.hash), ..failed(&file, reason) };
        let described = describe(&arrival.bytes, arrival.sidecar.as_deref())
            .map_err(|error| Box::new(Refusal { failed: refusal(error.to_string()), waiting: None }))?;
        let manifest = &described.manifest;
        for warning in &described.warnings {
            tracing::warn!(file = %file, plugin = %manifest.name, "{warning}");
        }
        let named = |reason: String| FailedFile {
            name: manifest.name.to_string(),
            version: Some(manifest.version.to_string()),
            ..refusal(reason)
        };
        if self.is_disabled(&manifest.name) {
            let reason = AttemptError::Disabled(manifest.name.clone()).to_string();
            return Err(Box::new(Refusal { failed: named(reason), waiting: None }));
        }
        if let Err(taken) = self.check_name(&file, &manifest.name) {
            let waiting = Waiting { arrival: arrival.clone(), obstacle: Obstacle::Name(manifest.name.clone()) };
            return Err(Box::new(Refusal { failed: named(taken.to_string()), waiting: Some(waiting) }));
        }
        if let Some(known) = self.files.get_mut(&file)
            && known.provides.is_none()
        {
            known.provides = Some(manifest.name.clone());
        }
        let source = Source { bytes: arrival.bytes.clone(), hash: arrival.hash, sidecar: arrival.sidecar.clone() };
        if let Some(candidate) = self.pinned(&manifest.name, arrival.hash) {
            return Ok(Attempt { ticket, file, candidate, purpose: Purpose::Pinned });
        }
        Ok(Attempt { ticket, file, candidate: Candidate::new(source, described), purpose: Purpose::Arrival })
    }

    fn is_disabled(&self, plugin: &PluginName) -> bool {
        self.app.config.plugin.get(plugin).is_some_and(|plugin| plugin.disabled)
    }

    /// Returns the version that the operator chose in place of the file's content `hash`.
    fn pinned(&self, plugin: &PluginName, hash: ContentHash) -> Option<Candidate> {
        let chosen = self.app.versions.pinned(plugin, hash)?;
        self.kept(plugin, chosen)
            .inspect_err(|error| {
                tracing::warn!(%plugin, version = %chosen, %error, "the version that was rolled back to is not used");
            })
            .ok()
    }

    /// Reads a version that is kept.
    fn kept(&self, plugin: &PluginName, hash: ContentHash) -> Result<Candidate, RollBackError> {
        let history = self.app.versions.history(plugin);
        let record = history.find(hash).ok_or(RollBackError::UnknownVersion)?;
        let bytes = self.app.versions.get_content(hash).map_err(|error| RollBackError::Load(error.to_string()))?;
        let described =
            describe(&bytes, record.sidecar.as_deref()).map_err(|error| RollBackError::Load(error.to_string()))?;
        Ok(Candidate::new(Source { bytes, hash, sidecar: record.sidecar.clone() }, described))
    }

    /// Starts an attempt; `undecided` is what its file holds, unless that was decided on before.
    fn start(&mut self, attempt: Attempt, undecided: Option<Arrival>) {
        if let Some(known) = self.files.get_mut(&attempt.file) {
            let Candidate { source, manifest, .. } = &attempt.candidate;
            let (plugin, version) = (manifest.name.clone(), manifest.version.to_string());
            known.loading = Some(LoadingFile { plugin, version, hash: source.hash });
            known.undecided = undecided;
        }
        self.loads.spawn(attempt.run(Arc::clone(&self.app)));
    }

    fn finish(&mut self, outcome: Outcome) {
        let ticket = outcome.ticket;
        match (self.files.get_mut(&outcome.file).filter(|file| file.ticket == ticket), outcome) {
            (Some(newest), outcome) => {
                newest.loading = None;
                let undecided = newest.undecided.take();
                self.decide(outcome, undecided);
            }
            (None, Outcome { purpose: Purpose::RollBack(reply), .. }) => {
                let _gone = reply.send(Err(RollBackError::Superseded));
            }
            (None, _) => {}
        }
        self.try_freed();
        self.settle(ticket);
    }

    /// Makes of an attempt what came of it. `undecided` is what its file holds, unless that was decided on before.
    fn decide(&mut self, outcome: Outcome, undecided: Option<Arrival>) {
        let Outcome { file, plugin, version, source, imports_state, purpose, result, .. } = outcome;
        let published = match result {
            Ok(loaded) => {
                let chosen = matches!(purpose, Purpose::Pinned | Purpose::RollBack(_));
                let rolled_back = chosen && self.files.get(&file).is_some_and(|known| known.hash != Some(source.hash));
                let mounted = self.mount(&plugin, loaded, imports_state);
                let published = self.go_live(&file, &plugin, mounted, rolled_back, &purpose);
                published.map_err(|error| (error.to_string(), Some(error.obstacle())))
            }
            Err(error) => Err((Chain(&error).to_string(), None)),
        };
        match (published, purpose) {
            (Ok(()), Purpose::RollBack(reply)) => {
                let kept = self.keep_choice(&file, &plugin, source.hash);
                self.pass_over(&plugin, source.hash, undecided);
                self.record(&file, &plugin, version, &source);
                let _gone = reply.send(kept);
            }
            (Ok(()), Purpose::Arrival) => self.record(&file, &plugin, version, &source),
            (Ok(()), Purpose::Pinned | Purpose::Fallback) => {}
            (Err((reason, _)), Purpose::RollBack(reply)) => {
                let _gone = reply.send(Err(RollBackError::Load(reason)));
                // What the file holds stood back for nothing.
                if let Some(arrival) = undecided {
                    self.arrive(arrival);
                }
            }
            (Err((reason, _)), Purpose::Fallback) => {
                // What is shown stays the reason why the file itself is not used.
                tracing::warn!(%plugin, version, reason, "the version that was live before does not load either");
                self.release(&file);
            }
            (Err((reason, obstacle)), _) => {
                let waiting = obstacle.zip(undecided).map(|(obstacle, arrival)| Waiting { arrival, obstacle });
                let (name, version, hash) = (plugin.to_string(), Some(version), Some(source.hash));
                self.refuse(&file, Refusal { failed: FailedFile { name, version, hash, reason }, waiting });
            }
        }
    }

    /// Gives a generation its place: under a path, and in the store.
    fn mount(&self, plugin: &PluginName, loaded: Loaded, imports_state: bool) -> Mounted {
        let mount = mount_of(plugin, self.app.config.plugin.get(plugin));
        let (Loaded { generation, policy, json, declaration }, state) = (loaded, Arc::new(self.app.state_of(plugin)));
        let mounted = Mounted { mount, generation, state, imports_state, policy, json, declaration };
        if let Err(error) = mounted.open_state() {
            let error = Chain(&error).to_string();
            tracing::warn!(%plugin, error, "the store does not open for the plugin: trying again and again");
        }
        mounted
    }

    /// Publishes a generation in place of whatever `file` provided before.
    fn go_live(
        &mut self,
        file: &FileName,
        plugin: &PluginName,
        mounted: Mounted,
        rolled_back: bool,
        purpose: &Purpose,
    ) -> Result<(), PublishError> {
        // Whatever became of the other files while this one was loaded: two never provide one plugin.
        self.check_name(file, plugin)?;
        let current = self.live().snapshot();
        let newest_failure = match purpose {
            Purpose::Fallback => current.failed.get(file).map(|failed| failed.reason.clone()),
            _ => None,
        };
        let version = mounted.generation.manifest().version.to_string();
        let live = LivePlugin { file: file.clone(), mounted, newest_failure, rolled_back };
        let mut draft = current.draft();
        draft.plugins.retain(|_, other| other.file != *file);
        draft.plugins.insert(plugin.clone(), live);
        draft.failed.remove(file);
        self.publish(&current, draft, Some(plugin))?;
        tracing::info!(%plugin, version, file = %file, rolled_back, "live");
        if let Some(known) = self.files.get_mut(file)
            && known.provides.as_ref() != Some(plugin)
        {
            // The file now brings another plugin than before, and the name that it had is free.
            known.provides = Some(plugin.clone());
            self.try_waiting();
        }
        Ok(())
    }

    /// Shows why a file is not used. What serves goes on serving. A file that will be tried again keeps its claim
    /// on the plugin's name.
    fn refuse(&mut self, file: &FileName, refusal: Refusal) {
        let Refusal { failed: why, waiting } = refusal;
        tracing::warn!(file = %file, plugin = why.name, reason = why.reason, "refused");
        let try_again = waiting.is_some();
        if let Some(known) = self.files.get_mut(file) {
            known.waiting = waiting;
        }
        let current = self.live().snapshot();
        let mut draft = current.draft();
        let served = draft.plugins.values_mut().find(|plugin| plugin.file == *file);
        let serves = served.is_some();
        match served {
            Some(plugin) => plugin.newest_failure = Some(why.reason.clone()),
            None => drop(draft.failed.insert(file.clone(), why.clone())),
        }
        self.publish_rest(&current, draft);
        if !serves && !try_again && !self.fall_back(file, &why) {
            self.release(file);
        }
    }

    /// Writes down what went live, or would have, so that it can be rolled back to.
    fn record(&self, file: &FileName, plugin: &PluginName, version: String, source: &Source) {
        let record = VersionRecord {
            hash: source.hash,
            version,
            file: file.to_string(),
            sidecar: source.sidecar.clone(),
            loaded_at: self.app.clock.now(),
        };
        if let Err(error) = self.app.versions.record_live(plugin, record, &source.bytes) {
            let error = Chain(&error).to_string();
            tracing::warn!(%plugin, error, "the version is not kept: it cannot be rolled back to");
        }
    }
}

/// Why a file is not used.
struct Refusal {
    failed: FailedFile,
    /// What is tried again, where it would do if another plugin were gone.
    waiting: Option<Waiting>,
}

fn failed(file: &FileName, reason: String) -> FailedFile {
    let name = file.plugin().map_or_else(|| file.to_string(), ToString::to_string);
    FailedFile { name, version: None, hash: None, reason }
}
