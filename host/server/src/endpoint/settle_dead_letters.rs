//! What retrying and dropping dead letters have in common: which ones, and who may.

use std::collections::BTreeMap;

use backplane_store::{
    Connection, StoreError,
    events::{self as stored, RETRIES_PER_SUBSCRIPTION_MAX, Retried},
};
use serde::Deserialize;

use super::{
    dead_letter::{DeadLetterId, parse_id, unknown_dead_letter},
    event_failure::{retries_full, store_failed},
    run_to_end::run_to_end,
    subscription::{may_manage, reload, unknown_subscription},
};
use crate::{
    app::{App, AppState},
    identity::trail::{self, Attempt},
    problem::{ApiError, ApiResult, codes},
};

/// Most dead letters of one request.
const IDS_MAX: usize = 500;

/// What a body of JSON should be.
pub(super) const EXPECTED: &str = r#"{"subscription": N} or {"ids": ["3-1042"]}, with 500 ids at most"#;

/// The body: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// Those of this subscription, the oldest first, as many as one step takes.
    subscription: Option<i64>,
    /// These.
    ids: Option<Vec<String>>,
}

/// What is to become of dead letters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// They are tried again.
    Retry,
    /// They are deleted.
    Drop,
}

/// Which dead letters.
#[derive(Debug)]
pub(super) enum Choice {
    /// This one. There must be one.
    One(DeadLetterId),
    /// Those of these that there are.
    Some(Vec<DeadLetterId>),
    /// The oldest ones of a subscription.
    Of(i64),
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    /// To so many.
    pub(super) count: usize,
    /// Whether there are more of what was asked for.
    pub(super) more: bool,
    /// Whether some of these are left because their subscription has as many retries as it may have.
    is_full: bool,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error("no dead letter has this id")]
    UnknownDeadLetter,
    #[error("no subscription has this id")]
    UnknownSubscription,
    #[error("the subscription has the {RETRIES_PER_SUBSCRIPTION_MAX} retries that it may have")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Chosen {
    /// Checks what was chosen.
    ///
    /// # Errors
    /// `invalid_request` or `unknown_dead_letter`.
    pub(super) fn check(self) -> ApiResult<Choice> {
        match (self.subscription, self.ids) {
            (Some(subscription), None) => Ok(Choice::Of(subscription)),
            (None, Some(ids)) if ids.len() <= IDS_MAX => {
                Ok(Choice::Some(ids.iter().map(|id| parse_id(id)).collect::<Result<_, _>>()?))
            }
            _ => Err(ApiError::new(codes::INVALID_REQUEST, format!("the body is not {EXPECTED}"))),
        }
    }
}

impl Choice {
    /// Returns the places that are chosen of each subscription; `None` is the oldest ones.
    fn by_subscription(&self) -> BTreeMap<i64, Option<Vec<i64>>> {
        let ids = match self {
            Self::Of(subscription) => return BTreeMap::from([(*subscription, None)]),
            Self::One(id) => std::slice::from_ref(id),
            Self::Some(ids) => ids,
        };
        let mut places: BTreeMap<_, Option<Vec<_>>> = BTreeMap::new();
        for DeadLetterId { subscription, seq } in ids {
            places.entry(*subscription).or_default().get_or_insert_default().push(*seq);
        }
        places
    }

    /// Says why nothing was done, where that is no answer.
    fn require(&self, is_managed: bool, done: Done) -> Result<(), SettleError> {
        match self {
            Self::Of(_) if !is_managed => Err(SettleError::UnknownSubscription),
            _ if done.count > 0 => Ok(()),
            _ if done.is_full => Err(SettleError::Full),
            Self::One(_) => Err(SettleError::UnknownDeadLetter),
            Self::Some(_) | Self::Of(_) => Ok(()),
        }
    }
}

/// Retries or drops dead letters of subscriptions that the caller may manage, in one transaction with the entry in the
/// trail, and tells the driver.
///
/// # Errors
/// `unknown_dead_letter`, `unknown_subscription`, `retries_full` or `events_unavailable`.
///
/// # Cancel safety
/// What was begun is done, and the driver told.
pub(super) async fn settle(app: &AppState, attempt: Attempt, choice: Choice, fate: Fate) -> ApiResult<Done> {
    let state = app.clone();
    let settled = app.events.write(move |connection| {
        let now = state.clock.unix_ms();
        let mut done = Done::default();
        let mut changed = Vec::new();
        for (subscription, places) in choice.by_subscription() {
            let Some(name) = find_managed(connection, &state, &attempt, subscription)? else { continue };
            let Retried { letters, more, is_full } = match fate {
                Fate::Retry => stored::retry_dead_letters(connection, subscription, places.as_deref())?,
                Fate::Drop => stored::drop_dead_letters(connection, subscription, places.as_deref())?,
            };
            done = Done { count: done.count + letters, more: done.more || more, is_full: done.is_full || is_full };
            changed.push(name);
        }
        choice.require(!changed.is_empty(), done)?;
        let entry = trail::with_detail(attempt.entry(trail::OK, now), describe(&changed, done));
        trail::append(connection, entry)?;
        Ok((done, changed))
    });
    let state = app.clone();
    run_to_end(async move {
        let (done, changed) = settled.await.map_err(settle_failed)?;
        for Name { plugin, pattern } in changed {
            reload(&state, &plugin, &pattern).await;
        }
        Ok(done)
    })
    .await
}

/// A subscription's.
struct Name {
    plugin: String,
    pattern: String,
}

/// Returns the name of a subscription that the caller may manage.
fn find_managed(
    connection: &mut Connection,
    app: &App,
    attempt: &Attempt,
    subscription: i64,
) -> Result<Option<Name>, StoreError> {
    let found = stored::find_subscription(connection, subscription, 0)?;
    let found = found.filter(|status| may_manage(app, &attempt.caller, &status.pattern));
    Ok(found.map(|status| Name { plugin: status.plugin, pattern: status.pattern }))
}

/// Says for the trail what was done.
fn describe(changed: &[Name], done: Done) -> String {
    let names: Vec<_> = changed.iter().map(|Name { plugin, pattern }| format!("{plugin} {pattern}")).collect();
    format!("{} of {}", done.count, names.join(", "))
}

fn settle_failed(error: SettleError) -> ApiError {
    match error {
        SettleError::UnknownDeadLetter => unknown_dead_letter(),
        SettleError::UnknownSubscription => unknown_subscription(),
        SettleError::Full => retries_full(RETRIES_PER_SUBSCRIPTION_MAX),
        SettleError::Store(error) => store_failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_retries_are_an_error_where_nothing_was_retried() {
        let id = || DeadLetterId { subscription: 1, seq: 2 };
        let done = |count, is_full| Done { count, more: is_full, is_full };
        for choice in [Choice::One(id()), Choice::Some(vec![id()]), Choice::Of(1)] {
            let refused = choice.require(true, done(0, true)).map_err(settle_failed);
            assert_eq!(refused.expect_err("nothing was done").code(), "retries_full", "{choice:?}");
            assert!(choice.require(true, done(1, true)).is_ok(), "{choice:?}");
        }
        let unknown = Choice::One(id()).require(true, done(0, false)).map_err(settle_failed);
        assert_eq!(unknown.expect_err("there is none").code(), "unknown_dead_letter");
        assert!(Choice::Some(vec![id()]).require(true, done(0, false)).is_ok());
    }
}
