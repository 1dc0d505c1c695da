//! `GET /api/dead-letters`: events that a subscriber could not handle.

use std::collections::HashMap;

use axum::Json;
use backplane_store::{
    Connection, StoreError,
    events::{self as stored, Dead, DeadLetterQuery, Event, SubscriptionStatus},
};
use serde::{Deserialize, Serialize};

use super::{
    body::Parameters,
    dead_letter::{DeadLetterId, DeadLetterView, parse_id},
    event_failure::events_unavailable,
    subscription::may_manage,
};
use crate::{app::AppState, identity::trail::Caller, problem::ApiResult};

/// Dead letters of one answer by default.
const PAGE: usize = 100;
/// Dead letters of one answer at most.
const PAGE_MAX: usize = 500;

/// Bytes of events that are read for one answer.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Which dead letters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only those of this subscription.
    subscription: Option<i64>,
    /// Only those after this one.
    after: Option<String>,
    /// At most as many.
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct DeadLetterPage {
    /// By subscription and place.
    dead_letters: Vec<DeadLetterView>,
    /// What to ask for as `after`; nothing at the end.
    next: Option<String>,
}

/// Lists dead letters of the subscriptions that the caller may manage.
///
/// # Errors
/// `unknown_dead_letter` for an `after` that is none, or `events_unavailable`.
pub async fn list_dead_letters(
    app: AppState,
    Caller(caller): Caller,
    Parameters(wanted): Parameters<Wanted>,
) -> ApiResult<Json<DeadLetterPage>> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let after = wanted.after.as_deref().map(parse_id).transpose()?;
    let after = after.map(|DeadLetterId { subscription, seq }| (subscription, seq));
    let query = DeadLetterQuery { subscription: wanted.subscription, after, limit: limit + 1 };
    let listed = app.events.read(move |connection| list(connection, query)).await.map_err(events_unavailable)?;
    let Listed { mut letters, subscriptions, more } = listed;
    let more = more || letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|(dead, _)| DeadLetterId::of(dead).to_string());
    let managed = letters.into_iter().filter_map(|(dead, event)| {
        let of = subscriptions.get(&dead.subscription).filter(|of| may_manage(&app, &caller, &of.pattern))?;
        Some(DeadLetterView::new(dead, event.as_ref(), of))
    });
    Ok(Json(DeadLetterPage { dead_letters: managed.collect(), next }))
}

/// Dead letters with their events, and the subscriptions that they are of.
struct Listed {
    letters: Vec<(Dead, Option<Event>)>,
    subscriptions: HashMap<i64, SubscriptionStatus>,
    /// Whether there are more, because these are as long as a page may be.
    more: bool,
}

fn list(connection: &mut Connection, query: DeadLetterQuery) -> Result<Listed, StoreError> {
    let letters = stored::list_dead_letters(connection, query)?;
    let mut subscriptions = HashMap::new();
    for dead in &letters {
        if !subscriptions.contains_key(&dead.subscription) {
            let found = stored::find_subscription(connection, dead.subscription, 0)?;
            subscriptions.extend(found.map(|status| (dead.subscription, status)));
        }
    }
    let places: Vec<_> = letters.iter().map(|dead| dead.letter.seq).collect();
    let found = stored::find_events(connection, &places, EVENT_BYTES_MAX)?;
    let more = found.len() < letters.len();
    let letters = letters.into_iter().zip(found).map(|(dead, (_, event))| (dead, event)).collect();
    Ok(Listed { letters, subscriptions, more })
}
