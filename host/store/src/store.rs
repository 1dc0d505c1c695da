//! The store: what the server holds.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::JoinHandle,
};

use diesel::prelude::*;

use crate::{
    collect::Collected,
    commit::{Commit, CommitError, Committed},
    connection::WriterSettings,
    error::{SnapshotError, StoreError},
    events::{CollectedEvents, RetentionLimits, Step},
    filesystem::prepare_folder,
    host_readers::HostReaders,
    keys::Name,
    lock::ServerLock,
    migrate::migrate,
    open_error::OpenError,
    open_snapshots::OpenSnapshots,
    options::StoreOptions,
    pending::Pending,
    plugins,
    range::Row,
    readers::Readers,
    snapshot::Snapshot,
    space::{Quota, Space},
    usage::Deleted,
    writer::{
        Closure, Collection, Erasure, EventSettings, Health, HostWrite, Job, LoadMax, LogBounds, Queue, Retention,
        Shared, Submission, Writer, Written,
    },
};

/// A database with one writer and many readers.
pub struct Store {
    path: PathBuf,
    readers: Arc<Readers>,
    host_readers: HostReaders,
    writer: Arc<Shared>,
    /// The writer's thread, until it is joined.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The host's own.
    host: Arc<Space>,
    /// By plugin. A plugin's stays to the end, as its row does.
    spaces: Mutex<HashMap<String, Arc<Space>>>,
    // The last: nobody else opens the database before this has let go of it.
    _lock: ServerLock,
}

impl Store {
    /// Opens the database, creates or migrates it, and starts the writer. Blocks.
    ///
    /// # Errors
    /// When the database cannot be used, with what to do about it.
    pub fn open(options: StoreOptions) -> Result<Arc<Self>, OpenError> {
        let switches = options.switches();
        let bounds =
            LogBounds { bytes_max: options.event_log_bytes_max, source_bytes_max: options.event_bytes_per_source_max };
        let StoreOptions { path, synchronous, readers, log_bytes_max, busy_timeout, published, .. } = options;
        let failed = |error| OpenError::from_connection(&path, error);
        prepare_folder(&path)?;
        let lock = ServerLock::take(&path)?;
        let settings = WriterSettings { path: path.clone(), synchronous, log_bytes_max, busy_timeout };
        let mut connection = settings.connect().map_err(failed)?;
        migrate(&mut connection, &path)?;
        settings.configure(&mut connection).map_err(failed)?;
        let snapshots = Arc::new(OpenSnapshots::new());
        let readers = Readers::open(path.clone(), readers, Arc::clone(&snapshots)).map_err(failed)?;
        let queue = Queue::new(LoadMax { jobs: options.queue_commits_max, bytes: options.queue_bytes_max });
        let events = EventSettings { bounds, published };
        let (writer, thread) = Writer::start(settings, connection, queue, Arc::clone(&snapshots), events, switches)
            .map_err(|error| OpenError::Failed { path: path.clone(), source: Box::new(error) })?;
        let host_readers = HostReaders::new(path.clone(), snapshots, Arc::clone(&writer.frontier));
        let host = Space::new(plugins::HOST_ID, plugins::HOST, Quota::default(), readers.share());
        Ok(Arc::new(Self {
            path,
            readers,
            host_readers,
            writer,
            thread: Mutex::new(Some(thread)),
            host: Arc::new(host),
            spaces: Mutex::default(),
            _lock: lock,
        }))
    }

    /// Returns where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a plugin's space, always the same one, and sets its quota. Blocks.
    ///
    /// # Errors
    /// When the plugin is new to the database, which cannot be written.
    pub fn space(&self, plugin: &str, quota: Quota) -> Result<Arc<Space>, StoreError> {
        if let Some(space) = self.find_space(plugin) {
            space.set_quota(quota);
            return Ok(space);
        }
        let name = plugin.to_owned();
        let id = self.write(move |connection| Ok::<_, StoreError>(plugins::get_or_create_id(connection, &name)?));
        let id = id.wait()?;
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let space = spaces
            .entry(plugin.to_owned())
            .or_insert_with(|| Arc::new(Space::new(id, plugin, quota, self.readers.share())));
        space.set_quota(quota);
        Ok(Arc::clone(space))
    }

    /// Returns the space of the host, which no plugin can name: for what clients publish, and the replies to them.
    pub fn host_space(&self) -> &Arc<Space> {
        &self.host
    }

    fn find_space(&self, plugin: &str) -> Option<Arc<Space>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner).get(plugin).cloned()
    }

    /// Opens a snapshot for a call. Its time is what `now_ms` says once it is open. Waits for a reader as long as the
    /// caller lets it.
    ///
    /// # Errors
    /// When the database cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing but the place in the line.
    pub async fn snapshot(&self, space: &Arc<Space>, now_ms: impl FnOnce() -> i64) -> Result<Snapshot, SnapshotError> {
        Snapshot::open(&self.readers, space, &self.writer.recent, &self.writer.frontier, now_ms).await
    }

    /// Returns the sequence at which [`Store::find_recent`] can be read from now on; `None` while somebody has seen more
    /// than is in memory, and only snapshots show what came before.
    pub fn recent_sequence(&self) -> Option<i64> {
        self.writer.frontier.in_memory()
    }

    /// Returns what a snapshot of `sequence`, which [`Store::recent_sequence`] returned a moment ago, would show of a key
    /// at `now_ms`; `None` where the key is absent or not in memory, and only a snapshot can tell.
    pub fn find_recent(&self, space: &Space, bucket: &str, key: &[u8], sequence: i64, now_ms: i64) -> Option<Row> {
        self.writer.recent.find(Name { plugin_id: space.id(), bucket, key }, sequence, now_ms)
    }

    /// Keeps everybody from a key's place in memory, the writer too, while what this returns lives.
    #[cfg(test)]
    pub(crate) fn hold_recent<'a>(&'a self, name: Name<'_>) -> impl Sized + use<'a> {
        self.writer.recent.hold(name)
    }

    /// Hands a commit to the writer at once. Commits of one space are decided in the order of these calls.
    ///
    /// # Errors
    /// [`CommitError::Busy`] when too much waits. Everything else is told by the [`Pending`].
    pub fn commit(&self, commit: Commit) -> Result<Pending<Committed, CommitError>, CommitError> {
        let Some(charge) = self.writer.queue.charge_commit(&commit.space, commit.bytes()) else {
            commit.refuse();
            return Err(CommitError::Busy);
        };
        let (done, pending) = Pending::new();
        self.writer.queue.push(Job::Commit(Box::new(Submission::new(commit, done, charge))));
        Ok(pending)
    }

    /// Hands a step to the writer that no plugin's writes belong to.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn apply_step(&self, step: Step) -> Result<Pending<Committed, CommitError>, CommitError> {
        self.commit(Commit { step: Some(step), ..Commit::new(Arc::clone(&self.host), 0) })
    }

    /// Runs `closure` on the writer's thread, in a part of a batch that is undone when it returns `Err`. Its result
    /// comes once it is on disk.
    ///
    /// It must leave `kv`, `replies`, `usage`, `counters`, `events` and `event_usage` alone, which the writer knows by heart, and be short:
    /// every commit waits for it.
    pub fn write<T, E>(
        &self,
        closure: impl FnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    ) -> Pending<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (done, pending) = Pending::new();
        match self.writer.queue.charge_host() {
            Some(charge) => {
                let work = Box::new(Closure::new(closure, done));
                self.writer.queue.push(Job::Write(HostWrite::new(work, charge)));
            }
            None => drop(done.send(Err(StoreError::Busy.into()))),
        }
        pending
    }

    /// Runs queries of the host on one snapshot. Blocks, at most four run at a time.
    ///
    /// # Errors
    /// As `query`, and when the database cannot be read.
    pub fn read<T, E: From<StoreError>>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.host_readers.read(query)
    }

    /// Deletes some of what expired at `now_ms`, and says whether there is more.
    pub fn collect(&self, now_ms: i64) -> Pending<Collected, StoreError> {
        let (done, pending) = Pending::new();
        match self.writer.queue.charge_host() {
            Some(charge) => self.writer.queue.push(Job::Collect(Box::new(Collection::new(now_ms, done, charge)))),
            None => drop(done.send(Err(StoreError::Busy))),
        }
        pending
    }

    /// Deletes some of what the log of events is not to keep at `now_ms`, and says whether there is more.
    pub fn collect_events(&self, limits: RetentionLimits, now_ms: i64) -> Pending<CollectedEvents, StoreError> {
        let (done, pending) = Pending::new();
        match self.writer.queue.charge_host() {
            Some(charge) => {
                let step = Retention::new(limits, now_ms, done, charge);
                self.writer.queue.push(Job::Retain(Box::new(step)));
            }
            None => drop(done.send(Err(StoreError::Busy))),
        }
        pending
    }

    /// Deletes some of what a plugin keeps, and says whether there is more. A call that read it runs again.
    pub fn delete_step(&self, plugin: &str) -> Pending<Deleted, StoreError> {
        let (done, pending) = Pending::new();
        match self.writer.queue.charge_host() {
            Some(charge) => {
                self.writer.queue.push(Job::Erase(Box::new(Erasure::new(plugin.to_owned(), done, charge))));
            }
            None => drop(done.send(Err(StoreError::Busy))),
        }
        pending
    }

    /// Returns whether the database can be written.
    pub fn health(&self) -> Health {
        self.writer.health.get()
    }

    /// Returns how much was brought to the disk since the store was opened.
    pub fn written(&self) -> Written {
        self.writer.tally.get()
    }

    /// Returns how long the log beside the database is, in bytes. Its file may be longer.
    pub fn log_bytes(&self) -> u64 {
        self.writer.log_bytes.load(Ordering::Relaxed)
    }

    /// Returns how many commits wait or are being written.
    pub fn commits_waiting(&self) -> usize {
        self.writer.queue.commits()
    }

    /// Does what waits, refuses what comes later, and folds the log into the database. Blocks. The second time it does
    /// nothing.
    pub fn close(&self) {
        self.writer.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
