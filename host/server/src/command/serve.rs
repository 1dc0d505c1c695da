//! `backplane serve`: loads the plugin folder and answers requests until it is told to stop.

use std::io::Write as _;

use anyhow::Context as _;
use backplane_auth::{ExposeSecret as _, PASSWORD_BYTES_MIN, SecretString};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{SettingsArgs, compile};
use crate::{
    config::Config,
    identity::{SETUP_LIFETIME, UnreadableKeys},
    serve::Server,
    shutdown,
    telemetry::{Lines, Telemetry},
};

/// Arguments of `backplane serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Revoke signing keys that do not open with the master key, when the one that they need is lost
    #[arg(long)]
    replace_keys: bool,
}

/// Serves until the process is told to stop.
///
/// Prints one line to standard output when it listens, `listening on http://ADDRESS` (or `https`), for scripts to wait
/// for. While nobody administers the server, a line with the set-up token follows: it is printed here and is in no log.
///
/// # Errors
/// When the server cannot start.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let (config, _) = args.settings.load()?;
    let telemetry = Telemetry::start(&config.log)?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the threads of the server")?;
    let unreadable_keys = if args.replace_keys { UnreadableKeys::Revoke } else { UnreadableKeys::Refuse };
    runtime.block_on(serve(config, unreadable_keys, telemetry.lines().clone()))
}

async fn serve(config: Config, unreadable_keys: UnreadableKeys, log: Lines) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("failed to listen for signals")?;
    let (plugins, data) = (config.plugins.clone(), config.data.clone());
    let mut server = Server::start(config, compile::command(), unreadable_keys, log, shutdown).await?;
    let address = server.address().context("failed to read the address that the server listens on")?;
    tracing::info!(%address, plugins = %plugins.display(), data = %data.display(), "listening");
    let url = format!("{}://{address}", server.scheme());
    let mut said = format!("listening on {url}\n");
    if let Some(token) = server.take_setup_token() {
        said += &invite(&url, &token);
    }
    // Whoever started the server may have closed its output; it serves all the same.
    let mut stdout = std::io::stdout().lock();
    let _closed = stdout.write_all(said.as_bytes()).and_then(|()| stdout.flush());
    drop(stdout);
    Ok(server.run().await?)
}

/// Says how to make the first administrator.
fn invite(url: &str, token: &SecretString) -> String {
    let (token, minutes) = (token.expose_secret(), SETUP_LIFETIME.as_secs() / 60);
    format!(
        "set-up token: {token}\n\n\
         Nobody administers this server yet. Within {minutes} minutes, choose a name and a password of at least \
         {PASSWORD_BYTES_MIN} characters:\n\n  \
         curl {url}/api/auth/setup --json '{{\"token\":\"{token}\",\"name\":\"admin\",\"password\":\"...\"}}'\n\n\
         Or run `backplane user add NAME --role admin` on its data folder, while it runs.\n\n"
    )
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
