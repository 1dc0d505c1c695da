//! Stopping: the first SIGTERM or SIGINT asks the server to end, the second ends it now.
//!
//! Shutdown is a value that is passed down: whoever holds the token can wait for it, and a test cancels it by hand.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was stopped twice: that of an uncaught SIGINT in a shell.
const EXIT_CODE_NOW: i32 = 130;

/// Returns a token that the first signal to stop cancels.
///
/// # Errors
/// When the process cannot listen for signals.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping: requests in flight may finish; a second signal ends the server now");
        stop.cancel();
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "stopped at once");
        std::process::exit(EXIT_CODE_NOW);
    });
    Ok(token)
}

/// Waits for either signal and returns its name.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn the_first_signal_cancels_the_token() {
        let token = on_signal().expect("the process can listen for signals");
        assert!(!token.is_cancelled());
        kill_process(getpid(), Signal::TERM).expect("a process may signal itself");
        token.cancelled().await;
    }
}
