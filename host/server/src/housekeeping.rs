//! What the server does beside the requests: deletes what has expired from its store and its log of events, opens what could not be opened,
//! looks after signing keys, and forgets callers that have not come for a while.
//!
//! It deletes in small steps, so that nobody who writes waits for it. While there is nothing to do it sleeps, longer each
//! time, up to a minute; up to five seconds while something waits to be deleted until a subscription has handled it.

use std::{sync::Arc, time::Duration};

use backplane_store::{Collected, StoreError};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{app::App, events::Retention, problem::Chain};

/// Between two steps of what is not done yet: writes get their turns in between.
const PAUSE_BETWEEN_STEPS: Duration = Duration::from_millis(20);
/// After something was deleted, or while a plugin waits for its place in the store.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// While a subscription holds back events that are not to be kept: when it has caught up, there is room soon.
const PAUSE_HELD_MAX: Duration = Duration::from_secs(5);
/// When nothing has expired for a while.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Between two looks at the signing keys, which change within days.
const ROTATION_INTERVAL: Duration = Duration::from_secs(60);

/// Keeps house until the process is told to stop.
pub async fn run(app: Arc<App>) {
    let mut pause = PAUSE_MIN;
    let mut rotated = Instant::now();
    let mut retention = Retention::new(&app.config.events);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        app.rate_limits.forget_idle();
        let all_open = open_states(&app).await;
        rotate_keys(&app, &mut rotated).await;
        let collected = collect(&app, &mut retention).await;
        if let Err(error) = &collected {
            // The writer says why, and the readiness too.
            tracing::debug!(error = Chain(error).to_string(), "nothing that expired was deleted");
        }
        pause = pause_after(pause, collected.as_ref());
        if !all_open {
            pause = pause.min(PAUSE_MIN);
        }
    }
}

/// What one round deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    rows: usize,
    /// Whether there is more to be deleted at once.
    more: bool,
    /// Whether there is more to be deleted once a subscription has handled it.
    is_held: bool,
}

async fn collect(app: &App, retention: &mut Retention) -> Result<Round, StoreError> {
    let now_ms = app.clock.now().as_millisecond();
    let Collected { keys, replies, identity, more, .. } = app.store.collect(now_ms).await?;
    let events = retention.step(&app.store, now_ms).await?;
    let rows = keys + replies + identity + events.events + events.detached;
    Ok(Round { rows, more: more || events.more, is_held: events.held_by.is_some() })
}

fn pause_after(pause: Duration, round: Result<&Round, &StoreError>) -> Duration {
    match round {
        Ok(Round { more: true, .. }) => PAUSE_BETWEEN_STEPS,
        Ok(Round { rows: 1.., .. }) => PAUSE_MIN,
        Ok(Round { is_held: true, .. }) => (pause * 2).clamp(PAUSE_MIN, PAUSE_HELD_MAX),
        Ok(_) | Err(_) => (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX),
    }
}

/// Makes and moves signing keys when their time has come.
async fn rotate_keys(app: &App, rotated: &mut Instant) {
    if rotated.elapsed() < ROTATION_INTERVAL {
        return;
    }
    *rotated = Instant::now();
    if let Err(error) = app.identity.rotate_keys_if_due().await {
        tracing::warn!(error = Chain(&error).to_string(), "signing keys were not looked after");
    }
}

/// Opens the state of plugins for which the store could not be written before, and says whether all are open.
async fn open_states(app: &Arc<App>) -> bool {
    let snapshot = app.live.snapshot();
    let mut all_open = true;
    for plugin in snapshot.plugins.values().filter(|plugin| plugin.mounted.waits_for_state()) {
        let mounted = plugin.mounted.clone();
        let opened = spawn_blocking(move || mounted.open_state()).await;
        all_open &= matches!(opened, Ok(Ok(())));
    }
    all_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_in_small_steps_and_sleeps_longer_and_longer() {
        let deleted = |rows, more| Ok(Round { rows, more, is_held: false });
        assert_eq!(pause_after(PAUSE_MAX, deleted(500, true).as_ref()), PAUSE_BETWEEN_STEPS);
        assert_eq!(pause_after(PAUSE_BETWEEN_STEPS, deleted(3, false).as_ref()), PAUSE_MIN);
        let mut pause = PAUSE_BETWEEN_STEPS;
        let pauses = [0; 8].map(|rows| {
            pause = pause_after(pause, deleted(rows, false).as_ref());
            pause.as_secs()
        });
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause_after(PAUSE_MIN, Err(&StoreError::Busy)), 2 * PAUSE_MIN);
        let held = Round { is_held: true, ..Round::default() };
        assert_eq!([PAUSE_MIN, PAUSE_MAX].map(|pause| pause_after(pause, Ok(&held)).as_secs()), [2, 5]);
    }
}
