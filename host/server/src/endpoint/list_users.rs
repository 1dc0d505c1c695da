//! `GET /api/users`: the accounts.

use axum::Json;
use backplane_store::identity::users;
use serde::{Deserialize, Serialize};

use super::{body::Parameters, show_user::UserView};
use crate::{app::AppState, identity::store_failed, problem::ApiResult};

/// Accounts of one answer, by default and at most.
const PAGE: usize = 100;

/// Which accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserQuery {
    /// Only those whose names come after this one.
    after: Option<String>,
    /// At most as many.
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct UserPage {
    /// By their names.
    users: Vec<UserView>,
    /// What to ask for as `after`; nothing at the end.
    next: Option<String>,
}

/// Lists accounts by their names.
///
/// # Errors
/// `identity_unavailable` when they cannot be read.
pub async fn list_users(app: AppState, Parameters(query): Parameters<UserQuery>) -> ApiResult<Json<UserPage>> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = query.after;
    let found = app.identity.read(move |connection| users::list(connection, after.as_deref(), limit + 1)).await;
    let mut users = found.map_err(store_failed)?;
    let more = users.len() > limit;
    users.truncate(limit);
    let next = users.last().filter(|_| more).map(|user| user.name.clone());
    Ok(Json(UserPage { users: users.into_iter().map(UserView::from).collect(), next }))
}
