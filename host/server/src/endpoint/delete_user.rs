//! `DELETE /api/users/{name}`: an account goes, with its sessions and API keys.

use axum::extract::Path;
use backplane_store::identity::users::{self, UpdateUserError};
use http::StatusCode;

use crate::{
    app::AppState,
    identity::{
        ADMIN_ROLE,
        trail::{self, Attempt},
        update_user_failed,
    },
    problem::ApiResult,
};

/// Deletes an account. What it did stays in the audit trail, and its id is never used again.
///
/// # Errors
/// `unknown_user` or `last_administrator`.
pub async fn delete_user(app: AppState, attempt: Attempt, Path(name): Path<String>) -> ApiResult<StatusCode> {
    attempt.aim_at(&name);
    let clock = app.clock;
    let deleted = app.store.write(move |connection| {
        let now = clock.unix_ms();
        let subject = users::find_by_name(connection, &name)?.ok_or(UpdateUserError::Unknown)?.subject;
        // First: who deletes its own account has a name until then.
        trail::append(connection, trail::with_detail(attempt.entry(trail::OK, now), subject.clone()))?;
        users::delete(connection, &subject, ADMIN_ROLE, now.0)
    });
    deleted.await.map_err(update_user_failed)?;
    app.identity.learn().await;
    Ok(StatusCode::NO_CONTENT)
}
