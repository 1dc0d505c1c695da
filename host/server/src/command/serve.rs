//! `backplane serve`: loads the plugin folder and answers requests until it is told to stop.

use std::io::Write as _;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::compile;
use crate::{config::Config, serve::Server, shutdown, telemetry::Telemetry};

/// Serves with `config`.
///
/// Prints one line to standard output when it listens, `listening on http://ADDRESS`, for scripts to wait for.
///
/// # Errors
/// When the server cannot start.
pub fn run(config: Config) -> anyhow::Result<()> {
    let _telemetry = Telemetry::start(&config.log)?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the threads of the server")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("failed to listen for signals")?;
    let (plugins, data) = (config.plugins.clone(), config.data.clone());
    let server = Server::start(config, compile::command(), shutdown).await?;
    let address = server.address().context("failed to read the address that the server listens on")?;
    tracing::info!(%address, plugins = %plugins.display(), data = %data.display(), "listening");
    // Whoever started the server may have closed its output; it serves all the same.
    let mut stdout = std::io::stdout().lock();
    let _closed = writeln!(stdout, "listening on http://{address}").and_then(|()| stdout.flush());
    drop(stdout);
    Ok(server.run().await?)
}

/// Takes as many file descriptors as the system allows: each connection needs one, and so does each plugin.
///
/// The limit that a process starts with is low for the sake of select(2), which nothing here uses.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, current = limit.current, "the limit of open files stays as it was");
    }
}
