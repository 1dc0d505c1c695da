//! What other processes changed in the store: revocations, signing keys, the first administrator.
//!
//! The store is asked twice a second, so that what a command or another server ends is out within a second. What this
//! process changes itself it asks for at once, after its commit.

use std::{sync::Arc, time::Duration};

use backplane_store::{
    StoreError,
    identity::{revocations, users},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{ADMIN_ROLE, Identity, keys::KeysError};
use crate::{adapters::revocation, app::App, problem::Chain};

/// Between two looks into the store.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Revocations that are read at a time.
const REVOCATIONS_MAX: usize = 1_000;

impl Identity {
    /// Takes in what was revoked since it was last asked, by whomever.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn learn_revocations(&self) -> Result<(), StoreError> {
        let mut seen = self.revocations_seen.lock().await;
        loop {
            let after = *seen;
            let list = move |connection: &mut _| revocations::list_after(connection, after, REVOCATIONS_MAX);
            let rows = self.reading.read(list).await?;
            self.revocations.apply(rows.iter().map(revocation), self.clock.unix_ms());
            *seen = rows.last().map_or(after, |row| row.seq);
            if rows.len() < REVOCATIONS_MAX {
                return Ok(());
            }
        }
    }

    /// Takes in what this process has just revoked. When that fails, the next look brings it.
    pub async fn learn(&self) {
        if let Err(error) = self.learn_revocations().await {
            tracing::warn!(error = Chain(&error).to_string(), "a revocation takes effect half a second late");
        }
    }

    pub(super) async fn look(&self) -> Result<(), KeysError> {
        self.learn_revocations().await?;
        self.keys.load().await?;
        if self.setup.is_open() {
            let has_administrator = self.reading.read(|connection| users::has_administrator(connection, ADMIN_ROLE));
            if has_administrator.await? {
                self.setup.close();
            }
        }
        Ok(())
    }
}

/// Looks into the store until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let looked = app.identity.look().await;
        match &looked {
            Ok(()) if fails => tracing::info!("revocations and signing keys are read again"),
            Err(error) if !fails => {
                tracing::error!(error = Chain(error).to_string(), "revocations and signing keys cannot be read");
            }
            Ok(()) | Err(_) => {}
        }
        fails = looked.is_err();
    }
}
