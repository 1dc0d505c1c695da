//! The life of the server: start, serve, drain.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    thread::{self, available_parallelism},
};

use backplane_runtime::{CompileCommand, Runtime, RuntimeOptions, SurfaceError, inspect};
use tokio::{net::TcpListener, runtime::Handle, sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    clock::Clock,
    config::Config,
    folder::{self, Completeness},
    limits::host_limits,
    listen,
    live::{Live, Supervisor},
    middleware,
    surface::Surface,
    versions::Versions,
};

/// Changes of the folder that wait for the supervisor; each holds a component's bytes.
const CHANGES_MAX: usize = 4;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("failed to open the data folder `{path}`: it must be a folder that this user may write to")]
    Data {
        /// The folder.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("failed to listen on {address}: choose another one with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
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
    supervisor: Supervisor,
    changes: mpsc::Sender<folder::Change>,
}

impl Server {
    /// Opens everything that can fail to open.
    ///
    /// # Errors
    /// When the data folder, the address or the engine is not to be had.
    pub async fn start(
        config: Config,
        compile_command: CompileCommand,
        shutdown: CancellationToken,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let versions = Versions::open(&config.data)
            .map_err(|source| StartError::Data { path: config.data.display().to_string(), source })?;
        let runtime = Arc::new(Runtime::start(runtime_options(&config, compile_command))?);
        let (live, commands) = Live::new();
        let (changes, receiver) = mpsc::channel(CHANGES_MAX);
        let app = Arc::new(App {
            runtime,
            live,
            versions: Arc::new(versions),
            shutdown,
            clock: Clock::SYSTEM,
            started: Instant::now(),
            config,
        });
        let supervisor = Supervisor::new(Arc::clone(&app), receiver, commands);
        Ok(Self { app, listener, supervisor, changes })
    }

    /// Returns the address that the server listens on.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process is told to stop, and then finishes the requests that it has.
    ///
    /// # Errors
    /// When a thread does not start.
    pub async fn run(self) -> Result<(), StartError> {
        let Self { app, listener, supervisor, changes } = self;
        let supervisor = on_own_thread("supervisor", supervisor.run())?;
        let (path, folder) = (app.config.plugins.clone(), app.config.folder.clone());
        let watch = tokio::spawn(folder::watch(path, folder, is_complete, changes, app.shutdown.clone()));
        let service = middleware::edge(Surface::new(Arc::clone(&app)), app.config.log.access);
        listen::serve(listener, service, &app.config.http, app.shutdown.clone()).await;
        let _ended = watch.await;
        let _ended = tokio::task::spawn_blocking(move || supervisor.join()).await;
        tracing::info!("stopped");
        Ok(())
    }
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
        Ok(_) | Err(SurfaceError::TwoManifests | SurfaceError::ManifestTooLarge { .. }) => Completeness::Complete,
    }
}
