//! The life of the server: start, serve, drain.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    thread::{self, available_parallelism},
};

use backplane_auth::SecretString;
use backplane_runtime::{CompileCommand, Runtime, RuntimeOptions, SurfaceError, inspect};
use backplane_store::{OpenError, Store, StoreError, StoreOptions, Synchronous, events::PublishedHook};
use tokio::{net::TcpListener, runtime::Handle, sync::mpsc, task::spawn_blocking, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    clock::Clock,
    config::{self, Config},
    events::{Delivering, Events, EventsParts, Feed, Tail},
    folder::{self, Completeness},
    follow::{self, Follow},
    housekeeping,
    identity::{self, Identity, StartIdentityError, UnreadableKeys},
    limits::host_limits,
    listen::{self, Tls, TlsError},
    live::{Live, Supervisor},
    middleware,
    rate_limit::RateLimits,
    surface::Surface,
    telemetry::Lines,
    versions::{OpenVersionsError, Versions},
};

/// Changes of the folder that wait for the supervisor; each holds a component's bytes.
const CHANGES_MAX: usize = 4;

/// Name of the database in the data folder.
pub const DATABASE_FILE: &str = "backplane.sqlite";

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened; it says what to do.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The kept versions in the data folder cannot be used.
    #[error("failed to open the data folder `{path}`: it must be a folder that this user may write to")]
    Versions {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: OpenVersionsError,
    },
    /// The log of events cannot be read.
    #[error("failed to read the log of events")]
    Events(#[source] StoreError),
    /// Nobody could tell who calls; it says what to do.
    #[error(transparent)]
    Identity(#[from] StartIdentityError),
    /// The address cannot be listened on.
    #[error("failed to listen on {address}: choose another one with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error("failed to set up TLS with http.tls_certificate and http.tls_key")]
    Tls(#[from] TlsError),
    /// The engine did not start.
    #[error("failed to start the plugin runtime")]
    Runtime(#[from] backplane_runtime::StartError),
    /// The supervisor's thread did not start.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
}

/// A server that listens and does not serve yet.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Tls>,
    supervisor: Supervisor,
    delivering: Delivering,
    tail: Tail,
    changes: mpsc::Sender<folder::Change>,
    setup_token: Option<SecretString>,
}

impl Server {
    /// Opens everything that can fail to open.
    ///
    /// # Errors
    /// When the address, the data folder or the engine is not to be had.
    pub async fn start(
        config: Config,
        compile_command: CompileCommand,
        unreadable_keys: UnreadableKeys,
        log: Lines,
        shutdown: CancellationToken,
    ) -> Result<Self, StartError> {
        let listener =
            listen::bind(config.listen).map_err(|source| StartError::Listen { address: config.listen, source })?;
        let tls = match &config.http.tls {
            Some(files) => Some(Tls::load(files.clone()).await?),
            None => None,
        };
        let (published, feeding, tail) = Feed::open();
        let store = open_store(&config, published).await?;
        let identity = Identity::start(&config, Arc::clone(&store), Clock::SYSTEM, unreadable_keys).await;
        let (identity, setup_token) = identity?;
        let versions = Versions::open(&config.data, Arc::clone(&store))
            .map_err(|source| StartError::Versions { path: config.data.display().to_string(), source })?;
        let runtime = Arc::new(Runtime::start(runtime_options(&config, compile_command))?);
        let (live, commands) = Live::new();
        let (changes, receiver) = mpsc::channel(CHANGES_MAX);
        let (events, delivering) = Events::start(EventsParts {
            store: Arc::clone(&store),
            live: Arc::clone(&live),
            feeding,
            clock: Clock::SYSTEM,
            reply_ttl: config.state.idempotency_ttl,
            step_apart: config.events.step_apart,
        })
        .await
        .map_err(StartError::Events)?;
        let app = Arc::new(App {
            runtime,
            live,
            store,
            events,
            follow: Follow::new(config.events.streams_max, config.events.streams_per_caller_max),
            identity,
            versions: Arc::new(versions),
            log,
            shutdown,
            clock: Clock::SYSTEM,
            started: Instant::now(),
            rate_limits: RateLimits::new(&config),
            config,
        });
        let supervisor = Supervisor::new(Arc::clone(&app), receiver, commands);
        Ok(Self { app, listener, tls, supervisor, delivering, tail, changes, setup_token })
    }

    /// Takes the token for the first administrator, when there is none yet. It is for whoever started the server.
    pub fn take_setup_token(&mut self) -> Option<SecretString> {
        self.setup_token.take()
    }

    /// Returns how URLs of the server begin: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns the address that the server listens on.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process is told to stop, and then finishes the requests that it has. The store is closed last.
    ///
    /// # Errors
    /// When a thread does not start.
    pub async fn run(self) -> Result<(), StartError> {
        let Self { app, listener, tls, supervisor, delivering, tail, changes, .. } = self;
        let grace = app.config.http.drain_delay + app.config.http.drain_timeout;
        let delivering = tokio::spawn(delivering.run(app.shutdown.clone(), grace));
        let supervisor = on_own_thread("supervisor", supervisor.run())?;
        let (path, folder) = (app.config.plugins.clone(), app.config.folder.clone());
        let watch = tokio::spawn(folder::watch(path, folder, is_complete, changes, app.shutdown.clone()));
        let housekeeping = tokio::spawn(housekeeping::run(Arc::clone(&app)));
        // Requests in flight are asked who they are to their end.
        let stop_polling = CancellationToken::new();
        let poll = tokio::spawn(identity::poll::run(Arc::clone(&app), stop_polling.clone()));
        let follow = tokio::spawn(follow::run(Arc::clone(&app), tail));
        let follow_certificate = tls.clone().map(|tls| tokio::spawn(tls.follow()));
        let service = middleware::edge(Surface::new(Arc::clone(&app)), app.config.log.access);
        listen::serve(listener, tls, service, &app.config.http, app.shutdown.clone()).await;
        stop_polling.cancel();
        if let Some(follow_certificate) = follow_certificate {
            follow_certificate.abort();
        }
        let _ended = tokio::join!(watch, housekeeping, poll, follow, delivering);
        let _ended = spawn_blocking(move || supervisor.join()).await;
        let store = Arc::clone(&app.store);
        let _ended = spawn_blocking(move || store.close()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Opens the store on a thread that may wait for the disk.
async fn open_store(config: &Config, published: PublishedHook) -> Result<Arc<Store>, StartError> {
    if config.state.synchronous == config::Synchronous::Off {
        tracing::warn!("state.synchronous is \"off\": a loss of power may destroy what plugins keep");
    }
    let options = StoreOptions { published: Some(published), ..store_options(config) };
    match spawn_blocking(move || Store::open(options)).await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(StartError::Thread(error.into())),
    }
}

/// Makes the store's options of the operator's.
fn store_options(config: &Config) -> StoreOptions {
    let state = &config.state;
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut options = StoreOptions::new(config.data.join(DATABASE_FILE));
    options.synchronous = match state.synchronous {
        config::Synchronous::Full => Synchronous::Full,
        config::Synchronous::Normal => Synchronous::Normal,
        config::Synchronous::Off => Synchronous::Off,
    };
    options.readers = state.readers.map_or(options.readers, count);
    options.queue_commits_max = count(state.commit_queue);
    options.log_bytes_max = state.log_bytes_max;
    options.event_log_bytes_max = config.events.bytes_max;
    options.event_bytes_per_source_max = config.events.bytes_per_source_max;
    options
}

fn runtime_options(config: &Config, compile_command: CompileCommand) -> RuntimeOptions {
    RuntimeOptions {
        limits: host_limits(&config.limits),
        cache_directory: Some(cache_directory(&config.data)),
        compile_command,
        threads: available_parallelism().map_or(1, usize::from),
    }
}

fn cache_directory(data: &Path) -> std::path::PathBuf {
    data.join("cache")
}

/// Runs a future where it may block.
fn on_own_thread<F>(name: &str, future: F) -> Result<thread::JoinHandle<()>, StartError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Handle::current();
    let run = move || runtime.block_on(future);
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)
}

/// Tells the watcher whether a file is whole.
fn is_complete(bytes: &[u8]) -> Completeness {
    match inspect(bytes) {
        Err(SurfaceError::Truncated { .. }) => Completeness::Truncated,
        Err(error @ (SurfaceError::NotWasm | SurfaceError::CoreModule | SurfaceError::Malformed { .. })) => {
            Completeness::NotAComponent { reason: error.to_string() }
        }
        // The supervisor says what is wrong with a manifest.
        Ok(_)
        | Err(
            SurfaceError::TwoManifests
            | SurfaceError::ManifestTooLarge { .. }
            | SurfaceError::TwoDescriptors
            | SurfaceError::DescriptorsTooLarge { .. },
        ) => Completeness::Complete,
    }
}
