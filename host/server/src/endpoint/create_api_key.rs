//! `POST /api/api-keys`: a key for a program that calls in somebody's name.

use axum::body::Body;
use backplane_auth::{Names, SecretString};
use backplane_store::{
    Connection, StoreError,
    identity::{
        Digest,
        api_keys::{self, CreateApiKeyError, NewApiKey},
    },
};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    body::{NoStore, no_store, read_json},
    owner::{OwnerError, find_owner, owner_failed},
    show_user::list_names,
};
use crate::{
    adapters::{DamagedRow, to_names},
    app::AppState,
    clock::timestamp,
    identity::{
        accounts::{parse_names, require_session},
        expose, store_failed,
        trail::{self, Attempt},
        unknown_user,
    },
    problem::{ApiError, ApiResult, codes},
};

/// Longest name in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The latest end of a key that has one.
const DAYS_MAX: u32 = 3_650;
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateApiKey {
    /// What its owner calls it.
    name: String,
    /// What it may be used for; no more than its owner has.
    #[serde(default)]
    scopes: Vec<String>,
    /// When it ends; never when absent.
    expires_in_days: Option<u32>,
    /// Whose it is; the caller's when absent.
    user: Option<String>,
}

/// A key. It is shown once.
#[derive(Debug, Serialize)]
pub struct CreatedApiKey {
    id: String,
    #[serde(serialize_with = "expose")]
    key: SecretString,
    name: String,
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("the key would have the scope `{0}`, which its owner or the session does not have")]
    Scope(String),
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error(transparent)]
    Create(#[from] CreateApiKeyError),
    #[error(transparent)]
    Damaged(#[from] DamagedRow),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an API key. It has its owner's roles, and of its scopes those that its owner has when it is used.
///
/// # Errors
/// `forbidden` for a credential without a session, or for another's key without the administrator's role;
/// `unknown_user`; `invalid_request`; `limit_reached`.
pub async fn create_api_key(app: AppState, attempt: Attempt, body: Body) -> ApiResult<NoStore<CreatedApiKey>> {
    require_session(&attempt.caller)?;
    let wanted: CreateApiKey = read_json(&app, body, r#"{"name", "scopes"?, "expires_in_days"?, "user"?}"#).await?;
    require_name(&wanted.name)?;
    let CreateApiKey { name, scopes, expires_in_days, user } = wanted;
    let (scopes, now) = (parse_names(&scopes)?, app.clock.unix_ms());
    let expires_at_ms = expires_in_days.map(|days| to_end(days, now.0)).transpose()?;
    let made = app.identity.make_api_key()?;
    attempt.aim_at(&made.id);
    let (id, digest, scope) = (made.id.clone(), Digest(made.digest), scopes.to_scope());
    // Its owner is found in the same transaction.
    let row = NewApiKey {
        id,
        subject: String::new(),
        name: name.clone(),
        digest,
        scopes: scope.clone(),
        created_at_ms: now.0,
        expires_at_ms,
    };
    let created = app.store.write(move |connection| create(connection, &attempt, user.as_deref(), &scopes, row));
    created.await.map_err(create_failed)?;
    let (scopes, expires_at) = (list_names(&scope), expires_at_ms.map(timestamp));
    Ok(no_store(StatusCode::CREATED, CreatedApiKey { id: made.id, key: made.text, name, scopes, expires_at }))
}

fn create(
    connection: &mut Connection,
    attempt: &Attempt,
    user: Option<&str>,
    scopes: &Names,
    row: NewApiKey,
) -> Result<(), CreateError> {
    let owner = find_owner(connection, &attempt.caller, user)?;
    let owned = to_names(&owner.scopes)?;
    // A session that may do less than its account makes no key that may do more.
    let given =
        if owner.subject == attempt.caller.subject() { owned.intersection(attempt.caller.scopes()) } else { owned };
    if let Some(scope) = scopes.iter().find(|scope| !given.contains(scope)) {
        return Err(CreateError::Scope(scope.to_owned()));
    }
    let at = backplane_auth::UnixMs(row.created_at_ms);
    let detail = format!("user: {}; name: {}; scopes: {}", owner.name, row.name, row.scopes);
    api_keys::create(connection, &NewApiKey { subject: owner.subject, ..row })?;
    trail::append(connection, trail::with_detail(attempt.entry(trail::OK, at), detail))?;
    Ok(())
}

fn require_name(name: &str) -> ApiResult<()> {
    match (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        true => Ok(()),
        false => {
            let detail = format!("the name of a key has 1 to {NAME_BYTES_MAX} bytes, without control characters");
            Err(ApiError::new(codes::INVALID_REQUEST, detail))
        }
    }
}

fn to_end(days: u32, now_ms: i64) -> ApiResult<i64> {
    match (1..=DAYS_MAX).contains(&days) {
        true => Ok(now_ms.saturating_add(i64::from(days) * MS_PER_DAY)),
        false => {
            Err(ApiError::new(codes::INVALID_REQUEST, format!("`expires_in_days` is 1 to {DAYS_MAX}, or left out")))
        }
    }
}

fn create_failed(error: CreateError) -> ApiError {
    match error {
        CreateError::Scope(_) => ApiError::new(codes::INVALID_REQUEST, error.to_string()),
        CreateError::Owner(error) => owner_failed(error),
        CreateError::Create(CreateApiKeyError::UnknownOwner) => unknown_user(),
        CreateError::Create(CreateApiKeyError::TooMany) => ApiError::new(codes::LIMIT_REACHED, error.to_string()),
        CreateError::Create(CreateApiKeyError::Store(error)) | CreateError::Store(error) => store_failed(error),
        CreateError::Damaged(error) => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_that_can_be_shown() {
        for name in ["ci", "Ada's laptop", &"x".repeat(NAME_BYTES_MAX)] {
            assert!(require_name(name).is_ok(), "{name}");
        }
        for name in ["", "a\nb", "a\u{1b}[2J", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(require_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_ends_within_ten_years_or_never() {
        assert_eq!(to_end(1, 5).expect("a day"), 5 + MS_PER_DAY);
        assert!(to_end(DAYS_MAX, i64::MAX).is_ok() && to_end(0, 0).is_err() && to_end(DAYS_MAX + 1, 0).is_err());
    }
}
