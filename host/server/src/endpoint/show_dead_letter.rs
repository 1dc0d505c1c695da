//! `GET /api/dead-letters/{id}`: a dead letter with its event.

use axum::{Json, extract::Path};
use backplane_store::{StoreError, events as stored};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    dead_letter::{DeadLetterId, DeadLetterView, parse_id, unknown_dead_letter},
    event_failure::events_unavailable,
    subscription::may_manage,
};
use crate::{
    adapters,
    app::AppState,
    follow::to_json,
    identity::trail::Caller,
    problem::{ApiError, ApiResult},
};

/// A dead letter, and what died.
#[derive(Debug, Serialize)]
pub struct WholeDeadLetter {
    #[serde(flatten)]
    letter: DeadLetterView,
    /// The event as a CloudEvent.
    event: Option<Box<RawValue>>,
}

/// Shows a dead letter of a subscription that the caller may manage, with the event.
///
/// # Errors
/// `unknown_dead_letter` or `events_unavailable`.
pub async fn show_dead_letter(
    app: AppState,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<WholeDeadLetter>> {
    let DeadLetterId { subscription, seq } = parse_id(&id)?;
    let found = app.events.read(move |connection| {
        let dead = stored::find_dead_letter(connection, subscription, seq)?;
        let of = stored::find_subscription(connection, subscription, 0)?;
        let event = stored::find_events(connection, &[seq], usize::MAX)?.pop();
        Ok::<_, StoreError>((dead.zip(of), event.and_then(|(_, event)| event)))
    });
    let (found, event) = found.await.map_err(events_unavailable)?;
    let found = found.filter(|(_, of)| may_manage(&app, &caller, &of.pattern));
    let (dead, of) = found.ok_or_else(unknown_dead_letter)?;
    let letter = DeadLetterView::new(dead, event.as_ref(), &of);
    let event = event.map(adapters::event).transpose().map_err(ApiError::internal)?;
    let json = event.map(|event| serde_json::from_slice(&to_json(&event))).transpose();
    Ok(Json(WholeDeadLetter { letter, event: json.map_err(ApiError::internal)? }))
}
