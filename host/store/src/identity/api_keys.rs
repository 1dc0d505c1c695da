//! API keys: what programs call with in the name of an account.
//!
//! - A key that was revoked or has expired stays to be seen for a while, and then goes.
//! - An account has a bounded number of keys, and a bounded number of ended ones.
//!
//! Rows hold digests. What a key may do is for the caller to decide, from its scopes and its owner.

use diesel::{dsl::count_star, prelude::*, result::DatabaseErrorKind};

use super::{
    Digest,
    revocations::{self, RevocationKind},
};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{api_keys, users},
};

/// Keys of one account that are good.
pub const API_KEYS_MAX: usize = 100;
/// Keys of one account that are to be seen after they ended.
pub const ENDED_API_KEYS_MAX: usize = 100;
/// How exactly it is known when a key was used last.
const USE_GRAIN_MS: i64 = 60_000;

/// A key that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    /// The part of it that is no secret.
    pub id: String,
    /// Whose it is.
    pub subject: String,
    /// What its owner calls it.
    pub name: String,
    /// The digest of its secret.
    pub digest: Digest,
    /// Scopes, with spaces between them.
    pub scopes: String,
    /// When it is made, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When it ends, if ever, in Unix milliseconds.
    pub expires_at_ms: Option<i64>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::sqlite::Sqlite))]
pub struct ApiKey {
    /// The part of it that is no secret.
    pub id: String,
    /// Whose it is.
    pub subject: String,
    /// What its owner calls it.
    pub name: String,
    /// The digest of its secret.
    pub digest: Digest,
    /// Scopes, with spaces between them.
    pub scopes: String,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When it ends, if ever, in Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// When somebody ended it, in Unix milliseconds.
    pub revoked_at_ms: Option<i64>,
    /// When it was used last, to a minute, in Unix milliseconds.
    pub last_used_at_ms: Option<i64>,
}

/// What the owner of a key is now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
pub struct Owner {
    /// What it types to sign in.
    pub name: String,
    /// Roles, with spaces between them.
    pub roles: String,
    /// Scopes, with spaces between them.
    pub scopes: String,
    /// Since when nobody can sign in to the account, in Unix milliseconds.
    pub disabled_at_ms: Option<i64>,
}

/// A key with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedApiKey {
    /// The key.
    pub key: ApiKey,
    /// Its owner.
    pub owner: Owner,
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateApiKeyError {
    /// There is no account that it could be of.
    #[error("there is no user of that id")]
    UnknownOwner,
    /// Its owner has too many.
    #[error("the user has {API_KEYS_MAX} API keys, which is the most that it can have")]
    TooMany,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key.
///
/// # Errors
/// When there is no such owner, it has as many keys as it can have, or the database cannot be written.
pub fn create(connection: &mut SqliteConnection, key: &NewApiKey) -> Result<(), CreateApiKeyError> {
    use diesel::result::Error;
    let ended = list_ended(connection, &key.subject, key.created_at_ms)?;
    let all: i64 = api_keys::table.filter(api_keys::subject.eq(&key.subject)).select(count_star()).first(connection)?;
    if all - as_i64(ended.len()) >= as_i64(API_KEYS_MAX) {
        return Err(CreateApiKeyError::TooMany);
    }
    for id in ended.iter().skip(ENDED_API_KEYS_MAX) {
        diesel::delete(api_keys::table.find(id)).execute(connection)?;
    }
    match diesel::insert_into(api_keys::table).values(key).execute(connection) {
        Err(Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => Err(CreateApiKeyError::UnknownOwner),
        inserted => Ok(inserted.map(drop)?),
    }
}

/// Returns a key with what its owner is now, whether or not either is good.
///
/// # Errors
/// When the database cannot be read.
pub fn find_with_owner(connection: &mut SqliteConnection, id: &str) -> Result<Option<OwnedApiKey>, StoreError> {
    let found: Option<(ApiKey, Owner)> = api_keys::table
        .find(id)
        .inner_join(users::table)
        .select((ApiKey::as_select(), Owner::as_select()))
        .first(connection)
        .optional()?;
    Ok(found.map(|(key, owner)| OwnedApiKey { key, owner }))
}

/// Returns at most `limit` keys by their ids, those after `after`: one account's, or everybody's.
///
/// # Errors
/// When the database cannot be read.
pub fn list(
    connection: &mut SqliteConnection,
    owner: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ApiKey>, StoreError> {
    // No id is empty.
    let mut query = api_keys::table.filter(api_keys::id.gt(after.unwrap_or_default())).into_boxed();
    if let Some(owner) = owner {
        query = query.filter(api_keys::subject.eq(owner));
    }
    Ok(query.order(api_keys::id).limit(as_i64(limit)).select(ApiKey::as_select()).load(connection)?)
}

/// Ends a key, and returns whether it was there and had not been revoked.
///
/// # Errors
/// When the database cannot be written.
pub fn revoke(connection: &mut SqliteConnection, id: &str, at_ms: i64) -> Result<bool, StoreError> {
    let ended = diesel::update(api_keys::table.find(id).filter(api_keys::revoked_at_ms.is_null()))
        .set(api_keys::revoked_at_ms.eq(at_ms))
        .execute(connection)?;
    if ended > 0 {
        revocations::add(connection, RevocationKind::ApiKey, id, at_ms)?;
    }
    Ok(ended > 0)
}

/// Notes that a key was used, at most once a minute.
///
/// # Errors
/// When the database cannot be written.
pub fn note_used(connection: &mut SqliteConnection, id: &str, at_ms: i64) -> Result<(), StoreError> {
    let last = api_keys::last_used_at_ms;
    let is_older = last.is_null().or(last.assume_not_null().le(at_ms - USE_GRAIN_MS));
    diesel::update(api_keys::table.find(id).filter(is_older)).set(last.eq(at_ms)).execute(connection)?;
    Ok(())
}

pub(super) fn delete_all_of(connection: &mut SqliteConnection, subject: &str) -> QueryResult<()> {
    diesel::delete(api_keys::table.filter(api_keys::subject.eq(subject))).execute(connection).map(drop)
}

/// Returns the keys of an account that are good no more, those that ended last first.
fn list_ended(connection: &mut SqliteConnection, subject: &str, now_ms: i64) -> QueryResult<Vec<String>> {
    let has_expired = api_keys::expires_at_ms.is_not_null().and(api_keys::expires_at_ms.assume_not_null().le(now_ms));
    let mut ended: Vec<(String, Option<i64>, Option<i64>)> = api_keys::table
        .filter(api_keys::subject.eq(subject))
        .filter(api_keys::revoked_at_ms.is_not_null().or(has_expired))
        .select((api_keys::id, api_keys::expires_at_ms, api_keys::revoked_at_ms))
        .load(connection)?;
    ended.sort_by_key(|(_, expired, revoked)| std::cmp::Reverse((*expired).into_iter().chain(*revoked).min()));
    Ok(ended.into_iter().map(|(id, ..)| id).collect())
}

impl From<diesel::result::Error> for CreateApiKeyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}
