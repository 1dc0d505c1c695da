//! `GET /api/users/{name}`: one account.

use axum::{Json, extract::Path};
use backplane_store::identity::users::{self, User};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::AppState,
    clock::timestamp,
    identity::{accounts::is_enabled, store_failed, unknown_user},
    problem::ApiResult,
};

/// An account, without its password.
#[derive(Debug, Serialize)]
pub struct UserView {
    /// The id, for ever.
    subject: String,
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) disabled: bool,
    created_at: Timestamp,
    pub(crate) last_login_at: Option<Timestamp>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            roles: list_names(&user.roles),
            scopes: list_names(&user.scopes),
            disabled: !is_enabled(&user),
            created_at: timestamp(user.created_at_ms),
            last_login_at: user.last_login_at_ms.map(timestamp),
            subject: user.subject,
            name: user.name,
        }
    }
}

/// Returns the roles or scopes of a row.
pub(super) fn list_names(text: &str) -> Vec<String> {
    text.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Describes an account.
///
/// # Errors
/// `unknown_user`.
pub async fn show_user(app: AppState, Path(name): Path<String>) -> ApiResult<Json<UserView>> {
    let found = app.identity.read(move |connection| users::find_by_name(connection, &name)).await;
    let user = found.map_err(store_failed)?.ok_or_else(unknown_user)?;
    Ok(Json(user.into()))
}
