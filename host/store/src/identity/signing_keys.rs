//! Keys that sign access tokens, as rows that open with a master key only.
//!
//! Changes that were worked out together are written together, or not at all: when another server was quicker, a row is
//! not in the state that they count on. What a state means, and when a key changes, is not known here.

use diesel::{
    dsl::count_star,
    prelude::*,
    result::{DatabaseErrorKind, Error},
};

use super::WrappedKey;
use crate::{error::StoreError, keys::as_i64, schema::signing_keys};

/// Keys that there may be, in all states together. A change that revokes one is never refused for this.
pub const SIGNING_KEYS_MAX: usize = 100;
/// The state that [`SIGNING_KEYS_MAX`] makes an exception for.
const REVOKED: &str = "revoked";

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys, check_for_backend(diesel::sqlite::Sqlite))]
pub struct SigningKey {
    /// Its id.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// The private key, encrypted.
    pub wrapped: WrappedKey,
    /// `next`, `active`, `retired` or `revoked`.
    pub state: String,
    /// When it came to be in that state, in Unix milliseconds.
    pub changed_at_ms: i64,
}

/// A change of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A row is new.
    Insert(SigningKey),
    /// A row that is in state `from` goes to another.
    Move {
        /// Which row.
        kid: String,
        /// In which state it must be.
        from: String,
        /// In which state it will be.
        to: String,
        /// When, in Unix milliseconds.
        at_ms: i64,
    },
    /// A row goes, whether or not it is there.
    Delete {
        /// Which row.
        kid: String,
    },
}

/// Why changes were not written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyKeysError {
    /// There would be too many keys.
    #[error("there are {SIGNING_KEYS_MAX} signing keys, which is the most that there can be")]
    TooMany,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns all keys, the one that changed first before the others.
///
/// # Errors
/// When the database cannot be read.
pub fn list(connection: &mut SqliteConnection) -> Result<Vec<SigningKey>, StoreError> {
    let all = signing_keys::table.order((signing_keys::changed_at_ms, signing_keys::kid));
    Ok(all.select(SigningKey::as_select()).load(connection)?)
}

/// Writes all changes and returns `true`, or writes none and returns `false` because a row is not as expected.
///
/// # Errors
/// When there would be too many keys, or the database cannot be written. Nothing is written then.
pub fn apply(connection: &mut SqliteConnection, changes: &[KeyChange]) -> Result<bool, ApplyKeysError> {
    let write = |connection: &mut SqliteConnection| {
        changes.iter().try_for_each(|change| change.write(connection))?;
        let count: i64 = signing_keys::table.select(count_star()).first(connection)?;
        let revokes = changes.iter().any(|change| matches!(change, KeyChange::Move { to, .. } if to == REVOKED));
        if count > as_i64(SIGNING_KEYS_MAX) && !revokes { Err(Stop::TooMany) } else { Ok(()) }
    };
    match connection.transaction(write) {
        Ok(()) => Ok(true),
        Err(Stop::Stale) => Ok(false),
        Err(Stop::TooMany) => Err(ApplyKeysError::TooMany),
        Err(Stop::Database(error)) => Err(ApplyKeysError::Store(error.into())),
    }
}

/// Why a transaction of changes is undone.
enum Stop {
    Stale,
    TooMany,
    Database(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl KeyChange {
    fn write(&self, connection: &mut SqliteConnection) -> Result<(), Stop> {
        let written = match self {
            Self::Insert(key) => match diesel::insert_into(signing_keys::table).values(key).execute(connection) {
                Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => 0,
                inserted => inserted?,
            },
            Self::Move { kid, from, to, at_ms } => {
                diesel::update(signing_keys::table.find(kid).filter(signing_keys::state.eq(from)))
                    .set((signing_keys::state.eq(to), signing_keys::changed_at_ms.eq(at_ms)))
                    .execute(connection)?
            }
            Self::Delete { kid } => {
                diesel::delete(signing_keys::table.find(kid)).execute(connection)?;
                return Ok(());
            }
        };
        if written == 0 { Err(Stop::Stale) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::migrated;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn key(kid: &str, state: &str, changed_at_ms: i64) -> SigningKey {
        let (algorithm, wrapped) = ("ES256".to_owned(), WrappedKey(kid.as_bytes().to_vec()));
        SigningKey { kid: kid.to_owned(), algorithm, wrapped, state: state.to_owned(), changed_at_ms }
    }

    fn insert(kid: &str, state: &str) -> KeyChange {
        KeyChange::Insert(key(kid, state, 1))
    }

    fn move_to(kid: &str, from: &str, to: &str) -> KeyChange {
        KeyChange::Move { kid: kid.to_owned(), from: from.to_owned(), to: to.to_owned(), at_ms: 2 }
    }

    fn delete(kid: &str) -> KeyChange {
        KeyChange::Delete { kid: kid.to_owned() }
    }

    #[test]
    fn follows_a_key_through_its_life() -> TestResult {
        let mut connection = migrated();
        assert_eq!(list(&mut connection)?, []);
        assert!(apply(&mut connection, &[insert("b", "active"), insert("a", "next")])?);
        assert_eq!(list(&mut connection)?, [key("a", "next", 1), key("b", "active", 1)]);
        assert!(apply(&mut connection, &[move_to("b", "active", "retired"), move_to("a", "next", "active")])?);
        assert_eq!(list(&mut connection)?, [key("a", "active", 2), key("b", "retired", 2)]);
        assert!(apply(&mut connection, &[delete("b"), delete("b")])?);
        assert_eq!(list(&mut connection)?, [key("a", "active", 2)]);
        assert!(apply(&mut connection, &[])?);
        Ok(())
    }

    #[test]
    fn a_row_in_another_state_voids_all_changes() -> TestResult {
        let mut connection = migrated();
        assert!(apply(&mut connection, &[insert("a", "active"), insert("b", "next")])?);
        let before = list(&mut connection)?;
        for stale in [move_to("b", "retired", "active"), move_to("z", "next", "active"), insert("b", "next")] {
            let changes = [delete("a"), insert("c", "next"), move_to("b", "next", "active"), stale];
            assert!(!apply(&mut connection, &changes)?, "{changes:?}");
            assert_eq!(list(&mut connection)?, before);
        }
        Ok(())
    }

    #[test]
    fn there_is_a_bounded_number_of_keys_unless_one_is_revoked() -> TestResult {
        let mut connection = migrated();
        let all: Vec<_> = (0..SIGNING_KEYS_MAX).map(|number| insert(&number.to_string(), "retired")).collect();
        assert!(apply(&mut connection, &all)?);
        let refused = apply(&mut connection, &[insert("more", "next")]);
        assert!(matches!(refused, Err(ApplyKeysError::TooMany)), "{refused:?}");
        assert_eq!(list(&mut connection)?.len(), SIGNING_KEYS_MAX);
        assert!(apply(&mut connection, &[move_to("0", "retired", "revoked"), insert("more", "active")])?);
        assert!(apply(&mut connection, &[delete("1"), delete("2"), insert("other", "next")])?);
        Ok(())
    }

    #[test]
    fn a_state_is_one_of_four() {
        let refused = apply(&mut migrated(), &[insert("a", "lost")]);
        assert!(matches!(refused, Err(ApplyKeysError::Store(_))), "{refused:?}");
    }
}
