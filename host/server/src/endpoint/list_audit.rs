//! `GET /api/audit`: who did what.

use axum::Json;
use backplane_store::identity::audit::{self, AuditQuery, Entry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Parameters;
use crate::{app::AppState, clock::timestamp, identity::store_failed, problem::ApiResult};

/// Entries of one answer by default.
const PAGE: usize = 100;
/// Entries of one answer at most.
const PAGE_MAX: usize = 500;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Only those before this one.
    before: Option<i64>,
    /// At most as many.
    limit: Option<usize>,
    /// Only what this account did: its name or its id.
    actor: Option<String>,
    /// Only this action.
    action: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct AuditPage {
    /// The newest first.
    entries: Vec<EntryView>,
    /// What to ask for as `before`; nothing at the end.
    next: Option<i64>,
}

/// One entry.
#[derive(Debug, Serialize)]
struct EntryView {
    seq: i64,
    at: Timestamp,
    actor: Option<String>,
    actor_name: Option<String>,
    kind: String,
    address: Option<String>,
    action: String,
    target: Option<String>,
    /// `ok`, or the code of the problem.
    result: String,
    request_id: Option<String>,
    detail: Option<String>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at_ms, actor, actor_name, kind, address, action, target, result, request_id, detail } = entry;
        let at = timestamp(at_ms);
        Self { seq, at, actor, actor_name, kind, address, action, target, result, request_id, detail }
    }
}

/// Lists what was done and what was refused, the newest first.
///
/// # Errors
/// `identity_unavailable` when it cannot be read.
pub async fn list_audit(app: AppState, Parameters(wanted): Parameters<Wanted>) -> ApiResult<Json<AuditPage>> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let is_id = wanted.actor.as_ref().is_some_and(|actor| actor.parse::<Uuid>().is_ok() || actor.contains('|'));
    let (actor, actor_name) = if is_id { (wanted.actor, None) } else { (None, wanted.actor) };
    let query = AuditQuery { before: wanted.before, limit: limit + 1, actor, actor_name, action: wanted.action };
    let found = app.identity.read(move |connection| audit::list(connection, &query)).await;
    let mut entries = found.map_err(store_failed)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|entry| entry.seq);
    Ok(Json(AuditPage { entries: entries.into_iter().map(EntryView::from).collect(), next }))
}
