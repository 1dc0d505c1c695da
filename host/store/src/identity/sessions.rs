//! Sessions: families of refresh tokens, each of which replaces the one before.
//!
//! - A token's row stays until its family's end, so that a second use is noticed however late it comes.
//! - A token is replaced by a compare and a set: of two refreshes at once the second sees what the first did.
//! - An account has a bounded number of families, and a family a bounded number of tokens.
//!
//! Rows hold digests. Which row may still be used is for the caller to decide.

use diesel::{
    dsl::{count_star, exists, select},
    prelude::*,
};

use super::{
    Digest,
    revocations::{self, RevocationKind},
};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{refresh_tokens, sessions, users},
};

/// Families that an account may have, ended ones included until they expire. One more ends another: an ended one, else
/// the one that expires first.
pub const FAMILIES_MAX: usize = 100;
/// Tokens that a family may have. The one that would be one more ends it.
pub const FAMILY_TOKENS_MAX: usize = 10_000;

/// A session with its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Family {
    /// Its id.
    pub id: String,
    /// Who is signed in.
    pub subject: String,
    /// With which application.
    pub client_id: String,
    /// When it ends, whatever happens, in Unix milliseconds.
    pub expires_at_ms: i64,
    /// When it was ended before its time, in Unix milliseconds.
    pub revoked_at_ms: Option<i64>,
}

/// A refresh token, with its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRow {
    /// The token's digest.
    pub digest: Digest,
    /// Whose it is.
    pub family: Family,
    /// When it was made, in Unix milliseconds.
    pub issued_at_ms: i64,
    /// When it was used for the first time, in Unix milliseconds.
    pub used_at_ms: Option<i64>,
    /// How often it was used.
    pub uses: u32,
    /// Whether a token that replaced it was used.
    pub successor_used: bool,
    /// Whether another token that replaced the same one was used.
    pub sibling_used: bool,
}

/// A refresh token that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefreshToken {
    /// Its digest.
    pub digest: Digest,
    /// The family that it belongs to.
    pub family_id: String,
    /// The token that it replaces.
    pub parent: Option<Digest>,
    /// When it was made, in Unix milliseconds.
    pub issued_at_ms: i64,
}

/// A token that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The row of this token ...
    pub digest: Digest,
    /// ... if it was used this often, no successor and no sibling of it was used, and its family is not revoked,
    pub uses: u32,
    /// gets this as `used_at_ms` unless it has one, and one use more,
    pub at_ms: i64,
    /// and this row is added.
    pub successor: NewRefreshToken,
}

/// Why a family was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFamilyError {
    /// There is no account that it could be of, or nobody can sign in to it.
    #[error("there is no enabled user of that id")]
    UnknownSubject,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a family and its first token. An account that has as many as it can have loses another one by it.
///
/// # Errors
/// When there is no such account, it is disabled, or the database cannot be written.
pub fn open_family(
    connection: &mut SqliteConnection,
    family: &Family,
    first: &NewRefreshToken,
) -> Result<(), OpenFamilyError> {
    let owner = users::table.find(&family.subject).filter(users::disabled_at_ms.is_null());
    if !select(exists(owner)).get_result(connection)? {
        return Err(OpenFamilyError::UnknownSubject);
    }
    make_room(connection, &family.subject, first.issued_at_ms)?;
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(&family.id),
            sessions::subject.eq(&family.subject),
            sessions::client_id.eq(&family.client_id),
            sessions::tokens.eq(1),
            sessions::expires_at_ms.eq(family.expires_at_ms),
            sessions::revoked_at_ms.eq(family.revoked_at_ms),
        ))
        .execute(connection)?;
    Ok(insert_token(connection, first)?)
}

/// Says which scopes a session has, of those that its account has: what its sign-in asked for.
///
/// # Errors
/// When the database cannot be written.
pub fn narrow(connection: &mut SqliteConnection, id: &str, scopes: &str) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(id)).set(sessions::scopes.eq(scopes)).execute(connection)?;
    Ok(())
}

/// Returns the scopes that a session was narrowed to, if it was.
///
/// # Errors
/// When the database cannot be read.
pub fn find_scopes(connection: &mut SqliteConnection, id: &str) -> Result<Option<String>, StoreError> {
    let found = sessions::table.find(id).select(sessions::scopes).first(connection).optional()?;
    Ok(found.flatten())
}

/// Returns the row of a token, until its family's end.
///
/// # Errors
/// When the database cannot be read.
pub fn find(connection: &mut SqliteConnection, digest: Digest) -> Result<Option<RefreshRow>, StoreError> {
    let family = (
        sessions::id,
        sessions::subject.assume_not_null(),
        sessions::client_id,
        sessions::expires_at_ms,
        sessions::revoked_at_ms,
    );
    let token =
        (refresh_tokens::parent, refresh_tokens::issued_at_ms, refresh_tokens::used_at_ms, refresh_tokens::uses);
    let row: Option<(Token, Family)> = refresh_tokens::table
        .find(digest)
        .inner_join(sessions::table)
        .filter(sessions::subject.is_not_null())
        .select((token, family))
        .first(connection)
        .optional()?;
    let Some(((parent, issued_at_ms, used_at_ms, uses), family)) = row else { return Ok(None) };
    let successor_used = !list_used_successors(connection, digest)?.is_empty();
    let siblings = match parent {
        Some(parent) => list_used_successors(connection, parent)?,
        None => Vec::new(),
    };
    let sibling_used = siblings.iter().any(|sibling| *sibling != digest);
    let uses = u32::try_from(uses).unwrap_or(u32::MAX);
    Ok(Some(RefreshRow { digest, family, issued_at_ms, used_at_ms, uses, successor_used, sibling_used }))
}

/// A token's parent, when it was made, when it was used for the first time, and how often.
type Token = (Option<Digest>, i64, Option<i64>, i64);

/// Compares and sets, and returns whether the row was as expected; else nothing was changed.
///
/// A family that has as many tokens as it can have is revoked instead.
///
/// # Errors
/// When the database cannot be written.
pub fn rotate(connection: &mut SqliteConnection, rotation: &Rotation) -> Result<bool, StoreError> {
    let Some(row) = find(connection, rotation.digest)? else { return Ok(false) };
    let is_superseded = row.successor_used || row.sibling_used || row.family.revoked_at_ms.is_some();
    if is_superseded || row.uses != rotation.uses || row.family.id != rotation.successor.family_id {
        return Ok(false);
    }
    let family = sessions::table.find(&row.family.id);
    let counted = diesel::update(family.filter(sessions::tokens.lt(as_i64(FAMILY_TOKENS_MAX))))
        .set(sessions::tokens.eq(sessions::tokens + 1))
        .execute(connection)?;
    if counted == 0 {
        revoke_family(connection, &row.family.id, rotation.at_ms)?;
        return Ok(false);
    }
    diesel::update(refresh_tokens::table.find(rotation.digest))
        .set((
            refresh_tokens::used_at_ms.eq(row.used_at_ms.unwrap_or(rotation.at_ms)),
            refresh_tokens::uses.eq(refresh_tokens::uses + 1),
        ))
        .execute(connection)?;
    insert_token(connection, &rotation.successor)?;
    Ok(true)
}

/// Returns whether a family is there and goes on: nobody ended it, and its time is not over.
///
/// # Errors
/// When the database cannot be read.
pub fn is_open(connection: &mut SqliteConnection, id: &str, at_ms: i64) -> Result<bool, StoreError> {
    let family = sessions::table.find(id).filter(sessions::revoked_at_ms.is_null());
    Ok(select(exists(family.filter(sessions::expires_at_ms.gt(at_ms)))).get_result(connection)?)
}

/// Ends a family, and returns whether it was there and had not ended.
///
/// # Errors
/// When the database cannot be written.
pub fn revoke_family(connection: &mut SqliteConnection, id: &str, at_ms: i64) -> Result<bool, StoreError> {
    let is_open = sessions::revoked_at_ms.is_null().and(sessions::subject.is_not_null());
    let ended = diesel::update(sessions::table.find(id).filter(is_open))
        .set(sessions::revoked_at_ms.eq(at_ms))
        .execute(connection)?;
    if ended > 0 {
        revocations::add(connection, RevocationKind::Session, id, at_ms)?;
    }
    Ok(ended > 0)
}

/// Ends the families of an account, all `except` one, and returns how many did.
///
/// # Errors
/// When the database cannot be written.
pub fn revoke_families_of(
    connection: &mut SqliteConnection,
    subject: &str,
    except: Option<&str>,
    at_ms: i64,
) -> Result<usize, StoreError> {
    let open: Vec<String> = sessions::table
        .filter(sessions::subject.eq(subject).and(sessions::revoked_at_ms.is_null()))
        // No id is empty.
        .filter(sessions::id.ne(except.unwrap_or_default()))
        .select(sessions::id)
        .load(connection)?;
    for id in &open {
        revoke_family(connection, id, at_ms)?;
    }
    Ok(open.len())
}

/// Ends all families of an account and takes them from it. Their rows go in small steps.
pub(super) fn abandon_all_of(connection: &mut SqliteConnection, subject: &str, at_ms: i64) -> Result<(), StoreError> {
    let all: Vec<String> =
        sessions::table.filter(sessions::subject.eq(subject)).select(sessions::id).load(connection)?;
    all.iter().try_for_each(|id| abandon(connection, id, at_ms))
}

/// Takes families from an account until it can have one more.
fn make_room(connection: &mut SqliteConnection, subject: &str, at_ms: i64) -> Result<(), StoreError> {
    let of_subject = sessions::table.filter(sessions::subject.eq(subject));
    let count: i64 = of_subject.select(count_star()).first(connection)?;
    let too_many = count + 1 - as_i64(FAMILIES_MAX);
    if too_many <= 0 {
        return Ok(());
    }
    let leaving: Vec<String> = of_subject
        .order((sessions::revoked_at_ms.is_null(), sessions::expires_at_ms))
        .limit(too_many)
        .select(sessions::id)
        .load(connection)?;
    leaving.iter().try_for_each(|id| abandon(connection, id, at_ms))
}

/// Ends a family, and leaves it to the collection.
fn abandon(connection: &mut SqliteConnection, id: &str, at_ms: i64) -> Result<(), StoreError> {
    revoke_family(connection, id, at_ms)?;
    diesel::update(sessions::table.find(id))
        .set((sessions::subject.eq(None::<String>), sessions::expires_at_ms.eq(at_ms)))
        .execute(connection)?;
    Ok(())
}

/// Returns the tokens that replaced `parent` and were used.
fn list_used_successors(connection: &mut SqliteConnection, parent: Digest) -> QueryResult<Vec<Digest>> {
    refresh_tokens::table
        .filter(refresh_tokens::parent.eq(parent))
        .filter(refresh_tokens::used_at_ms.is_not_null())
        .select(refresh_tokens::digest)
        .load(connection)
}

fn insert_token(connection: &mut SqliteConnection, token: &NewRefreshToken) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::digest.eq(token.digest),
            refresh_tokens::session_id.eq(&token.family_id),
            refresh_tokens::parent.eq(token.parent),
            refresh_tokens::issued_at_ms.eq(token.issued_at_ms),
            refresh_tokens::uses.eq(0),
        ))
        .execute(connection)?;
    Ok(())
}

impl From<diesel::result::Error> for OpenFamilyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests;
