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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::testing::{add_key, add_user, disable, new_key, revoked},
        migrate::migrated,
    };

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn ids(connection: &mut SqliteConnection, owner: Option<&str>) -> Vec<String> {
        list(connection, owner, None, 1000).unwrap().into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn a_key_is_found_with_what_its_owner_is_now() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "clerk");
        let new = NewApiKey { expires_at_ms: Some(99), ..new_key("k1", &ada) };
        create(&mut connection, &new)?;
        let found = find_with_owner(&mut connection, "k1")?.ok_or("the key is there")?;
        let expected = ApiKey {
            id: new.id,
            subject: new.subject,
            name: new.name,
            digest: new.digest,
            scopes: new.scopes,
            created_at_ms: 10,
            expires_at_ms: Some(99),
            revoked_at_ms: None,
            last_used_at_ms: None,
        };
        assert_eq!(found.key, expected);
        let owner = |disabled_at_ms| Owner {
            name: "ada".into(),
            roles: "clerk".into(),
            scopes: "orders:read".into(),
            disabled_at_ms,
        };
        assert_eq!(found.owner, owner(None));
        disable(&mut connection, &ada);
        assert_eq!(find_with_owner(&mut connection, "k1")?.map(|found| found.owner), Some(owner(Some(1))));
        assert_eq!(find_with_owner(&mut connection, "k2")?, None);
        Ok(())
    }

    #[test]
    fn a_key_is_somebodys() {
        let refused = create(&mut migrated(), &new_key("k1", "nobody"));
        assert!(matches!(refused, Err(CreateApiKeyError::UnknownOwner)), "{refused:?}");
    }

    #[test]
    fn an_owner_has_a_bounded_number_of_good_keys() -> TestResult {
        let mut connection = migrated();
        let (ada, bob) = (add_user(&mut connection, "ada", ""), add_user(&mut connection, "bob", ""));
        add_key(&mut connection, "bobs", &bob);
        for number in 0..API_KEYS_MAX {
            add_key(&mut connection, &format!("k{number}"), &ada);
        }
        let refused = create(&mut connection, &new_key("more", &ada));
        assert!(matches!(refused, Err(CreateApiKeyError::TooMany)), "{refused:?}");
        revoke(&mut connection, "k0", 20)?;
        add_key(&mut connection, "more", &ada);
        let is_over = api_keys::expires_at_ms.eq(10);
        diesel::update(api_keys::table.find("k1")).set(is_over).execute(&mut connection)?;
        add_key(&mut connection, "still more", &ada);
        let refused = create(&mut connection, &new_key("too many", &ada));
        assert!(matches!(refused, Err(CreateApiKeyError::TooMany)), "{refused:?}");
        Ok(())
    }

    #[test]
    fn of_ended_keys_those_that_ended_first_make_way() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        // k1 ends last.
        for (id, expires_at_ms) in [("k1", 9), ("k2", 1), ("k3", 2)] {
            create(&mut connection, &NewApiKey { expires_at_ms: Some(expires_at_ms), ..new_key(id, &ada) })?;
        }
        for number in 0..ENDED_API_KEYS_MAX - 1 {
            let id = format!("revoked{number}");
            add_key(&mut connection, &id, &ada);
            revoke(&mut connection, &id, 8)?;
        }
        add_key(&mut connection, "new", &ada);
        let left = ids(&mut connection, Some(&ada));
        assert_eq!(left.len(), ENDED_API_KEYS_MAX + 1);
        assert!(["k1", "new", "revoked0"].iter().all(|id| left.iter().any(|left| left == id)), "{left:?}");
        Ok(())
    }

    #[test]
    fn a_revoked_key_stays_to_be_seen() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        add_key(&mut connection, "k1", &ada);
        assert!(revoke(&mut connection, "k1", 20)?);
        assert!(!revoke(&mut connection, "k1", 30)?);
        assert!(!revoke(&mut connection, "k2", 30)?);
        let found = find_with_owner(&mut connection, "k1")?.ok_or("the key is there")?;
        assert_eq!(found.key.revoked_at_ms, Some(20));
        assert_eq!(revoked(&mut connection), ["api-key:k1"]);
        Ok(())
    }

    #[test]
    fn lists_one_owners_or_all_in_pages() -> TestResult {
        let mut connection = migrated();
        let (ada, bob) = (add_user(&mut connection, "ada", ""), add_user(&mut connection, "bob", ""));
        for (id, owner) in [("k3", &ada), ("k1", &ada), ("k2", &bob)] {
            add_key(&mut connection, id, owner);
        }
        assert_eq!(ids(&mut connection, None), ["k1", "k2", "k3"]);
        assert_eq!(ids(&mut connection, Some(&ada)), ["k1", "k3"]);
        assert_eq!(ids(&mut connection, Some("nobody")), [""; 0]);
        let page = list(&mut connection, Some(&ada), Some("k1"), 1)?;
        assert_eq!(page.into_iter().map(|key| key.id).collect::<Vec<_>>(), ["k3"]);
        Ok(())
    }

    #[test]
    fn a_use_is_noted_once_a_minute() -> TestResult {
        let mut connection = migrated();
        let ada = add_user(&mut connection, "ada", "");
        add_key(&mut connection, "k1", &ada);
        let mut last_used = |at_ms| -> Result<Option<i64>, StoreError> {
            note_used(&mut connection, "k1", at_ms)?;
            Ok(find_with_owner(&mut connection, "k1")?.and_then(|found| found.key.last_used_at_ms))
        };
        assert_eq!(last_used(1_000)?, Some(1_000));
        assert_eq!(last_used(60_999)?, Some(1_000));
        assert_eq!(last_used(61_000)?, Some(61_000));
        Ok(())
    }
}
