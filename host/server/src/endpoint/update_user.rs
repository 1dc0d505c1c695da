//! `PATCH /api/users/{name}`: other roles, scopes or another password for an account, or a lock.

use axum::{Json, body::Body, extract::Path};
use backplane_auth::SecretString;
use backplane_store::{
    StoreError,
    identity::users::{self, UpdateUserError, User, UserChange},
};
use serde::Deserialize;

use super::{body::read_json, show_user::UserView};
use crate::{
    app::AppState,
    identity::{
        ADMIN_ROLE,
        accounts::{has_too_many_rights, parse_names, too_many_rights},
        trail::{self, Attempt},
        update_user_failed,
    },
    problem::{ApiError, ApiResult},
};

/// The body. What is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateUser {
    roles: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    disabled: Option<bool>,
    password: Option<SecretString>,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error("the roles and scopes are too many")]
    TooManyRights,
    #[error(transparent)]
    Update(#[from] UpdateUserError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes an account. Access tokens from before are good no more; a lock and another password end its sessions too.
///
/// # Errors
/// `unknown_user`, `last_administrator`, `invalid_request`, `weak_password` or `sign_in_busy`.
pub async fn update_user(
    app: AppState,
    attempt: Attempt,
    Path(name): Path<String>,
    body: Body,
) -> ApiResult<Json<UserView>> {
    attempt.aim_at(&name);
    let wanted = read_json(&app, body, r#"{"roles"?, "scopes"?, "disabled"?, "password"?}"#).await?;
    let detail = describe(&wanted);
    let change = to_change(&app, &name, wanted).await?;
    let user = change_user(&app, attempt, name, change, detail).await.map_err(|error| match error {
        ChangeError::TooManyRights => too_many_rights(),
        ChangeError::Update(error) => update_user_failed(error),
        ChangeError::Store(error) => update_user_failed(error.into()),
    })?;
    app.identity.learn().await;
    Ok(Json(user.into()))
}

async fn to_change(app: &AppState, name: &str, wanted: UpdateUser) -> ApiResult<UserChange> {
    let to_scope = |names: Option<Vec<String>>| match names {
        Some(names) => Ok::<_, ApiError>(Some(parse_names(&names)?.to_scope())),
        None => Ok(None),
    };
    let password_hash = match &wanted.password {
        Some(password) => Some(app.identity.hash_password(password, name).await?),
        None => None,
    };
    let (roles, scopes) = (to_scope(wanted.roles)?, to_scope(wanted.scopes)?);
    Ok(UserChange { roles, scopes, disabled: wanted.disabled, password_hash, keep_session: None })
}

async fn change_user(
    app: &AppState,
    attempt: Attempt,
    name: String,
    change: UserChange,
    detail: String,
) -> Result<User, ChangeError> {
    let clock = app.clock;
    let changed = app.store.write(move |connection| {
        let now = clock.unix_ms();
        let subject = users::find_by_name(connection, &name)?.ok_or(UpdateUserError::Unknown)?.subject;
        let user = users::update(connection, &subject, &change, ADMIN_ROLE, now.0)?;
        if has_too_many_rights(&user.roles, &user.scopes) {
            return Err(ChangeError::TooManyRights);
        }
        trail::append(connection, trail::with_detail(attempt.entry(trail::OK, now), detail))?;
        Ok(user)
    });
    changed.await
}

/// Says for the audit trail what is to be another way: a password never, only that it is another one.
fn describe(wanted: &UpdateUser) -> String {
    let list =
        |key: &str, names: &Option<Vec<String>>| names.as_ref().map(|names| format!("{key}: {}", names.join(" ")));
    let disabled = wanted.disabled.map(|disabled| format!("disabled: {disabled}"));
    let password = wanted.password.as_ref().map(|_| "password".to_owned());
    let parts = [list("roles", &wanted.roles), list("scopes", &wanted.scopes), disabled, password];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_tells_what_changed_and_no_password() {
        let body = r#"{"roles":["clerk","admin"],"scopes":[],"disabled":true,"password":"correct horse"}"#;
        let wanted: UpdateUser = serde_json::from_str(body).expect("the body");
        assert_eq!(describe(&wanted), "roles: clerk admin; scopes: ; disabled: true; password");
        assert_eq!(describe(&serde_json::from_str("{}").expect("the body")), "");
    }
}
