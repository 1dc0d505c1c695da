//! Subscriptions as the API shows them, and who may manage which.

use backplane_auth::Principal;
use backplane_events::{Pattern, SubscriptionName, SubscriptionView as Delivering};
use backplane_store::{
    Connection, StoreError,
    events::{self as stored, SubscriptionStatus},
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    event_failure::{events_unavailable, store_failed},
    run_to_end::run_to_end,
};
use crate::{
    app::{App, AppState},
    clock::timestamp,
    event_rights::may_pattern,
    identity::trail::{self, Attempt},
    problem::{ApiError, ApiResult, codes},
};

/// A subscription.
#[derive(Debug, Serialize)]
pub struct SubscriptionView {
    /// Its number.
    id: i64,
    plugin: String,
    /// Which topics it takes.
    pattern: String,
    /// Whether a live version of its plugin declares it.
    live: bool,
    /// Why nothing is delivered to it: `asked`, `trapping` or `dead_letters`.
    paused: Option<String>,
    /// Events that wait for it, as far as anybody looked.
    lag: u64,
    /// Whether there may be more behind those that were looked at.
    lag_is_more: bool,
    /// When the oldest one of them was published.
    oldest_waiting_at: Option<Timestamp>,
    /// Events that failed, and those behind them of the same keys.
    retries: u64,
    dead_letters: u64,
    /// Deliveries on their way.
    in_flight: usize,
    /// Since when no version declares it. It is forgotten 7 days later.
    closed_at: Option<Timestamp>,
}

impl SubscriptionView {
    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Joins what the store knows with what the driver does.
    pub(super) fn new(row: SubscriptionStatus, delivering: &[Delivering]) -> Self {
        // By name: the driver has no number for one that it is about to read anew.
        let is_row = |view: &&Delivering| *view.name.plugin == *row.plugin && view.name.pattern.as_str() == row.pattern;
        let delivering = delivering.iter().find(is_row);
        Self {
            id: row.id,
            plugin: row.plugin,
            pattern: row.pattern,
            live: delivering.is_some(),
            paused: row.paused,
            lag: row.lag.events,
            lag_is_more: row.lag.is_more,
            oldest_waiting_at: row.lag.oldest_ms.map(timestamp),
            retries: row.retries,
            dead_letters: row.dead_letters,
            in_flight: delivering.map_or(0, |view| view.in_flight),
            closed_at: row.closed_at_ms.map(timestamp),
        }
    }
}

/// Events of the log that are looked at to say how many wait for one subscription.
const LAG_EVENTS_MAX: usize = 100_000;

/// Why a subscription was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// There is none of this number, or it is not the caller's to manage.
    #[error("no subscription has this id")]
    Unknown,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns whether a caller may manage a subscription with this pattern. One that is none is for administrators.
pub(super) fn may_manage(app: &App, caller: &Principal, pattern: &str) -> bool {
    let pattern = Pattern::new(pattern).or_else(|_| Pattern::new("*"));
    pattern.is_ok_and(|pattern| may_pattern(&app.config.events.access.manage, caller, &pattern))
}

/// Returns what the driver does. While it is stopping that is nothing.
pub(super) async fn delivering(app: &App) -> Vec<Delivering> {
    app.events.subscriptions().await.unwrap_or_default()
}

/// Changes a subscription that the caller may manage, in one transaction with its entry in the trail, and tells the
/// driver. Returns the subscription as it is then.
///
/// # Errors
/// `unknown_subscription` or `events_unavailable`.
///
/// # Cancel safety
/// A change that was begun is made, and the driver told.
pub(super) async fn change(
    app: &AppState,
    attempt: Attempt,
    id: i64,
    detail: String,
    change: impl FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static,
) -> ApiResult<SubscriptionView> {
    attempt.aim_at(&id.to_string());
    let state = app.clone();
    let changed = app.events.write(move |connection| {
        let now = state.clock.unix_ms();
        let row = stored::find_subscription(connection, id, 0)?.ok_or(ChangeError::Unknown)?;
        if !may_manage(&state, &attempt.caller, &row.pattern) {
            return Err(ChangeError::Unknown);
        }
        change(connection)?;
        let detail = format!("{} {} {detail}", row.plugin, row.pattern).trim_end().to_owned();
        trail::append(connection, trail::with_detail(attempt.entry(trail::OK, now), detail))?;
        // What waits is counted below: the writer has no time for it.
        Ok((row.plugin, row.pattern))
    });
    let state = app.clone();
    run_to_end(async move {
        let (plugin, pattern) = changed.await.map_err(change_failed)?;
        reload(&state, &plugin, &pattern).await;
        Ok(())
    })
    .await?;
    find(app, id).await?.ok_or_else(unknown_subscription)
}

/// Returns a subscription as it is now.
///
/// # Errors
/// `events_unavailable`.
pub(super) async fn find(app: &App, id: i64) -> ApiResult<Option<SubscriptionView>> {
    let found = app.events.read(move |connection| stored::find_subscription(connection, id, LAG_EVENTS_MAX)).await;
    let status = found.map_err(|error: StoreError| events_unavailable(error))?;
    let Some(status) = status else { return Ok(None) };
    Ok(Some(SubscriptionView::new(status, &delivering(app).await)))
}

/// Tells the driver that the store holds another progress. While it is stopping nobody has to know.
pub(super) async fn reload(app: &App, plugin: &str, pattern: &str) {
    if let Ok(pattern) = Pattern::new(pattern) {
        let _stopping = app.events.reload(SubscriptionName { plugin: plugin.into(), pattern }).await;
    }
}

pub(super) fn change_failed(error: ChangeError) -> ApiError {
    match error {
        ChangeError::Unknown => unknown_subscription(),
        ChangeError::Store(error) => store_failed(error),
    }
}

pub(super) fn unknown_subscription() -> ApiError {
    ApiError::new(codes::UNKNOWN_SUBSCRIPTION, "no subscription has this id: `GET /api/subscriptions` lists them")
}
