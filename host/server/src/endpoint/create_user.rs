//! `POST /api/users`: a new account.

use axum::{Json, body::Body};
use backplane_auth::SecretString;
use backplane_store::{
    StoreError,
    identity::users::{self, CreateUserError, NewUser, User},
};
use http::StatusCode;
use serde::Deserialize;

use super::{body::read_json, show_user::UserView};
use crate::{
    app::AppState,
    identity::{
        accounts::{create_subject, parse_names, require_few_rights, require_user_name},
        create_user_failed,
        trail::{self, Attempt},
    },
    problem::ApiResult,
};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    name: String,
    password: SecretString,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

/// Makes an account.
///
/// # Errors
/// `invalid_request`, `weak_password`, `user_exists`, `limit_reached` or `sign_in_busy`.
pub async fn create_user(app: AppState, attempt: Attempt, body: Body) -> ApiResult<(StatusCode, Json<UserView>)> {
    let wanted: CreateUser = read_json(&app, body, r#"{"name", "password", "roles"?, "scopes"?}"#).await?;
    require_user_name(&wanted.name)?;
    attempt.aim_at(&wanted.name);
    let (roles, scopes) = (parse_names(&wanted.roles)?.to_scope(), parse_names(&wanted.scopes)?.to_scope());
    require_few_rights(&roles, &scopes)?;
    let password_hash = app.identity.hash_password(&wanted.password, &wanted.name).await?;
    let (subject, created_at_ms) = (create_subject(app.clock), app.clock.unix_ms().0);
    let user = NewUser { subject, name: wanted.name, password_hash, roles, scopes, created_at_ms };
    let created = create(&app, attempt, user).await.map_err(create_user_failed)?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

async fn create(app: &AppState, attempt: Attempt, user: NewUser) -> Result<User, CreateUserError> {
    let clock = app.clock;
    let detail = format!("roles: {}; scopes: {}", user.roles, user.scopes);
    let created = app.store.write(move |connection| {
        users::create(connection, &user)?;
        trail::append(connection, trail::with_detail(attempt.entry(trail::OK, clock.unix_ms()), detail))?;
        Ok(users::find(connection, &user.subject)?.ok_or(StoreError::Unknown)?)
    });
    created.await
}
