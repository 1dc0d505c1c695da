//! Accounts: a name, a hashed password, and the roles and scopes that its sign-ins carry.
//!
//! - There is at most one account of a name, and an id never comes to mean another.
//! - No change takes the administrator's role from the last enabled account that has it.
//! - What changes the rights of an account voids the access tokens that it has. A new password, a lock and a deletion end
//!   its sessions too.
//!
//! Roles and scopes are texts with spaces between the names. What a name may look like is for the caller to check.

use diesel::{
    dsl::{count_star, exists, select},
    prelude::*,
    result::{DatabaseErrorKind, Error},
};

use super::{
    PasswordHash, api_keys,
    revocations::{self, RevocationKind},
    sessions,
};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{role_holders, users},
};

/// Accounts that there may be.
pub const USERS_MAX: usize = 100_000;

/// An account that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser {
    /// Its id.
    pub subject: String,
    /// What its owner types.
    pub name: String,
    /// The hashed password.
    pub password_hash: PasswordHash,
    /// Roles, with spaces between them.
    pub roles: String,
    /// Scopes, with spaces between them.
    pub scopes: String,
    /// When it is made, in Unix milliseconds.
    pub created_at_ms: i64,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
pub struct User {
    /// Its id.
    pub subject: String,
    /// What its owner types.
    pub name: String,
    /// The hashed password.
    pub password_hash: PasswordHash,
    /// Roles, with spaces between them.
    pub roles: String,
    /// Scopes, with spaces between them.
    pub scopes: String,
    /// Since when nobody can sign in to it, in Unix milliseconds.
    pub disabled_at_ms: Option<i64>,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When somebody signed in to it last, in Unix milliseconds.
    pub last_login_at_ms: Option<i64>,
}

/// What is to be another way; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Roles, with spaces between them.
    pub roles: Option<String>,
    /// Scopes, with spaces between them.
    pub scopes: Option<String>,
    /// Whether nobody can sign in.
    pub disabled: Option<bool>,
    /// The hashed password. It ends the sessions of the account,
    pub password_hash: Option<PasswordHash>,
    /// but for this one, from which it is changed.
    pub keep_session: Option<String>,
}

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// There is one of that name.
    #[error("there is a user of that name")]
    Exists,
    /// There are too many.
    #[error("there are {USERS_MAX} users, which is the most that there can be")]
    TooMany,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account was not changed, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum UpdateUserError {
    /// There is none of that id.
    #[error("there is no such user")]
    Unknown,
    /// Nobody enabled would have the administrator's role.
    #[error("this is the last enabled user with the administrator's role")]
    LastAdministrator,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an account.
///
/// # Errors
/// When there is one of that name, there are too many, or the database cannot be written.
pub fn create(connection: &mut SqliteConnection, user: &NewUser) -> Result<(), CreateUserError> {
    if count(connection)? >= USERS_MAX {
        return Err(CreateUserError::TooMany);
    }
    match diesel::insert_into(users::table).values(user).execute(connection) {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => return Err(CreateUserError::Exists),
        inserted => inserted?,
    };
    Ok(insert_roles(connection, &user.subject, &user.roles)?)
}

/// Returns the account of a name.
///
/// # Errors
/// When the database cannot be read.
pub fn find_by_name(connection: &mut SqliteConnection, name: &str) -> Result<Option<User>, StoreError> {
    Ok(users::table.filter(users::name.eq(name)).select(User::as_select()).first(connection).optional()?)
}

/// Returns the account of an id.
///
/// # Errors
/// When the database cannot be read.
pub fn find(connection: &mut SqliteConnection, subject: &str) -> Result<Option<User>, StoreError> {
    Ok(users::table.find(subject).select(User::as_select()).first(connection).optional()?)
}

/// Returns at most `limit` accounts by their names, those after `after`.
///
/// # Errors
/// When the database cannot be read.
pub fn list(connection: &mut SqliteConnection, after: Option<&str>, limit: usize) -> Result<Vec<User>, StoreError> {
    // No name is empty.
    let later = users::table.filter(users::name.gt(after.unwrap_or_default()));
    Ok(later.order(users::name).limit(as_i64(limit)).select(User::as_select()).load(connection)?)
}

/// Returns how many accounts there are.
///
/// # Errors
/// When the database cannot be read.
pub fn count(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let count: i64 = users::table.select(count_star()).first(connection)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Returns whether an account that is enabled has the role `administrator`.
///
/// # Errors
/// When the database cannot be read.
pub fn has_administrator(connection: &mut SqliteConnection, administrator: &str) -> Result<bool, StoreError> {
    Ok(has_other_holder(connection, administrator, "")?)
}

/// Changes an account and returns it as it is then. Nobody but an enabled account with the role `administrator` can
/// hand that role on, so the last one keeps it.
///
/// # Errors
/// When there is no such account, it is the last administrator's and would be no more, or the database cannot be
/// written. Nothing is changed then.
pub fn update(
    connection: &mut SqliteConnection,
    subject: &str,
    change: &UserChange,
    administrator: &str,
    at_ms: i64,
) -> Result<User, UpdateUserError> {
    let before = find(connection, subject)?.ok_or(UpdateUserError::Unknown)?;
    let after = change.apply(&before, at_ms);
    require_administrator(connection, administrator, &before, Some(&after))?;
    diesel::update(users::table.find(subject))
        .set((
            users::roles.eq(&after.roles),
            users::scopes.eq(&after.scopes),
            users::disabled_at_ms.eq(after.disabled_at_ms),
            users::password_hash.eq(&after.password_hash),
        ))
        .execute(connection)?;
    if after.roles != before.roles {
        replace_roles(connection, subject, &after.roles)?;
    }
    void_credentials(connection, change, &before, &after, at_ms)?;
    Ok(after)
}

/// Deletes an account with its sessions and keys. What it did stays in the audit trail.
///
/// # Errors
/// When there is no such account, it is the last administrator's, or the database cannot be written. Nothing is
/// changed then.
pub fn delete(
    connection: &mut SqliteConnection,
    subject: &str,
    administrator: &str,
    at_ms: i64,
) -> Result<(), UpdateUserError> {
    let before = find(connection, subject)?.ok_or(UpdateUserError::Unknown)?;
    require_administrator(connection, administrator, &before, None)?;
    sessions::abandon_all_of(connection, subject, at_ms)?;
    api_keys::delete_all_of(connection, subject)?;
    diesel::delete(users::table.find(subject)).execute(connection)?;
    Ok(revocations::add(connection, RevocationKind::Subject, subject, at_ms)?)
}

/// Notes that somebody signed in, and returns whether that is still so: the account is there and enabled, and its
/// password is the one that was checked.
///
/// Call it once the session is open, and end the session when it says no: a password that is changed or a lock that
/// falls while a password is being checked is never overlooked then.
///
/// # Errors
/// When the database cannot be written.
pub fn note_login(
    connection: &mut SqliteConnection,
    subject: &str,
    checked: &PasswordHash,
    at_ms: i64,
) -> Result<bool, StoreError> {
    let account = users::table.find(subject).filter(users::password_hash.eq(checked));
    let noted = diesel::update(account.filter(users::disabled_at_ms.is_null()))
        .set(users::last_login_at_ms.eq(at_ms))
        .execute(connection)?;
    Ok(noted > 0)
}

/// Returns whether somebody who was checked may still act for an account: it is there and enabled, its password is the
/// one that was checked, and the session has not ended.
///
/// Call it in the transaction that depends on it: a reset, a lock or a sign-out that falls while another password is
/// being hashed is never overlooked then.
///
/// # Errors
/// When the database cannot be read.
pub fn is_still_signed_in(
    connection: &mut SqliteConnection,
    subject: &str,
    checked: &PasswordHash,
    session: &str,
    at_ms: i64,
) -> Result<bool, StoreError> {
    let account = users::table.find(subject).filter(users::password_hash.eq(checked));
    let is_same: bool = select(exists(account.filter(users::disabled_at_ms.is_null()))).get_result(connection)?;
    Ok(is_same && sessions::is_open(connection, session, at_ms)?)
}

/// Puts another hash of the same password in the place of `before`, and returns whether that was still the one. No
/// credential ends by it.
///
/// # Errors
/// When the database cannot be written.
pub fn rehash(
    connection: &mut SqliteConnection,
    subject: &str,
    before: &PasswordHash,
    after: &PasswordHash,
) -> Result<bool, StoreError> {
    let account = users::table.find(subject).filter(users::password_hash.eq(before));
    Ok(diesel::update(account).set(users::password_hash.eq(after)).execute(connection)? > 0)
}

impl UserChange {
    fn apply(&self, before: &User, at_ms: i64) -> User {
        let disabled_at_ms = match self.disabled {
            None => before.disabled_at_ms,
            Some(true) => before.disabled_at_ms.or(Some(at_ms)),
            Some(false) => None,
        };
        User {
            roles: self.roles.as_ref().unwrap_or(&before.roles).clone(),
            scopes: self.scopes.as_ref().unwrap_or(&before.scopes).clone(),
            password_hash: self.password_hash.as_ref().unwrap_or(&before.password_hash).clone(),
            disabled_at_ms,
            ..before.clone()
        }
    }
}

impl User {
    fn is_enabled_holder(&self, role: &str) -> bool {
        self.disabled_at_ms.is_none() && names(&self.roles).any(|held| held == role)
    }
}

/// Ends what the account must not go on with.
fn void_credentials(
    connection: &mut SqliteConnection,
    change: &UserChange,
    before: &User,
    after: &User,
    at_ms: i64,
) -> Result<(), StoreError> {
    let is_locked = before.disabled_at_ms.is_none() && after.disabled_at_ms.is_some();
    if is_locked {
        sessions::revoke_families_of(connection, &before.subject, None, at_ms)?;
    } else if change.password_hash.is_some() {
        sessions::revoke_families_of(connection, &before.subject, change.keep_session.as_deref(), at_ms)?;
    }
    let has_other_rights = before.roles != after.roles || before.scopes != after.scopes;
    if is_locked || has_other_rights || change.password_hash.is_some() {
        revocations::add(connection, RevocationKind::Subject, &before.subject, at_ms)?;
    }
    Ok(())
}

/// Refuses what would take the role from the last enabled account that has it.
fn require_administrator(
    connection: &mut SqliteConnection,
    administrator: &str,
    before: &User,
    after: Option<&User>,
) -> Result<(), UpdateUserError> {
    let stays = after.is_some_and(|after| after.is_enabled_holder(administrator));
    let is_lost = before.is_enabled_holder(administrator) && !stays;
    if is_lost && !has_other_holder(connection, administrator, &before.subject)? {
        return Err(UpdateUserError::LastAdministrator);
    }
    Ok(())
}

fn has_other_holder(connection: &mut SqliteConnection, role: &str, subject: &str) -> QueryResult<bool> {
    let holders = role_holders::table
        .inner_join(users::table)
        .filter(role_holders::role.eq(role).and(role_holders::subject.ne(subject)))
        .filter(users::disabled_at_ms.is_null());
    select(exists(holders)).get_result(connection)
}

fn replace_roles(connection: &mut SqliteConnection, subject: &str, roles: &str) -> QueryResult<()> {
    diesel::delete(role_holders::table.filter(role_holders::subject.eq(subject))).execute(connection)?;
    insert_roles(connection, subject, roles)
}

fn insert_roles(connection: &mut SqliteConnection, subject: &str, roles: &str) -> QueryResult<()> {
    for role in names(roles) {
        diesel::insert_or_ignore_into(role_holders::table)
            .values((role_holders::role.eq(role), role_holders::subject.eq(subject)))
            .execute(connection)?;
    }
    Ok(())
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}

impl From<Error> for CreateUserError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for UpdateUserError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests;
