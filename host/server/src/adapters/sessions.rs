//! Sessions in the store, with what belongs to a sign-in and a refresh in the same transaction: the account as it is
//! at that moment, and the entry in the audit trail.
//!
//! A [`Sessions`] serves one request. The writer decides one transaction after another, so an account that is read in
//! one was not changed before it and unnoticed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backplane_auth::{
    BoxFuture, Family, Names, NewRefreshToken, RefreshRow, RefreshStore, RefreshStoreError, RotationRequest,
    RotationResult, UnixMs,
};
use backplane_store::{
    Connection, Store, StoreError,
    identity::{
        Digest, PasswordHash,
        audit::NewEntry,
        sessions::{self, OpenFamilyError},
        users,
    },
};

use super::{
    Reading,
    translate_identity::{self, DamagedRow, to_names},
};
use crate::{clock::Clock, identity::trail, problem::codes};

/// What one request does with sessions.
pub struct Sessions {
    /// Where they are kept.
    pub store: Arc<Store>,
    /// How they are read.
    pub reading: Reading,
    /// What time it is when a transaction is decided.
    pub clock: Clock,
    /// The entry for what the request asks for, as if it succeeded.
    pub entry: NewEntry,
    /// What a sign-in has found out; nothing for a refresh.
    pub sign_in: Option<SignIn>,
    /// What came of it so far.
    pub found: Mutex<Found>,
}

/// What a sign-in has found out.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The stored hash that the password was compared with.
    pub checked: PasswordHash,
    /// The same password, hashed as today.
    pub rehashed: Option<PasswordHash>,
    /// What the client asks for, when it asks for less than there is.
    pub scopes: Option<Names>,
}

/// What a request has found in the store.
#[derive(Debug, Default)]
pub struct Found {
    /// Whose the session is.
    subject: Option<String>,
    /// What it may do.
    granted: Option<Granted>,
}

/// What an account may do in a session, as of a moment.
#[derive(Debug, Clone)]
pub struct Granted {
    /// When that was so.
    pub at: UnixMs,
    /// What the account is.
    pub roles: Names,
    /// What the session may be used for.
    pub scopes: Names,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The account is gone or locked, or its password is another one by now.
    #[error("the account was changed meanwhile")]
    AccountChanged,
    /// The database holds what it cannot.
    #[error(transparent)]
    Damaged(#[from] DamagedRow),
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Returns what the session may do, once it was opened or has gone on.
    pub fn granted(&self) -> Option<Granted> {
        self.found().granted.clone()
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshStore for Sessions {
    fn open_family(&self, family: Family, first: NewRefreshToken) -> BoxFuture<'_, Result<(), RefreshStoreError>> {
        let (clock, entry, sign_in) = (self.clock, self.entry.clone(), self.sign_in.clone());
        let opened = self.store.write(move |connection| {
            let now = clock.unix_ms();
            let first = translate_identity::refresh_token(first);
            sessions::open_family(connection, &translate_identity::family(family.clone()), &first)?;
            if let Some(sign_in) = sign_in {
                complete_sign_in(connection, &family, &sign_in, now)?;
            }
            let granted = get_granted(connection, &family, now)?;
            trail::append(connection, NewEntry { actor: Some(family.subject), ..entry })?;
            Ok::<_, SessionError>(granted)
        });
        Box::pin(async {
            self.found().granted = Some(opened.await.map_err(failed)?);
            Ok(())
        })
    }

    fn find(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<RefreshRow>, RefreshStoreError>> {
        Box::pin(async move {
            let found = self.reading.read(move |connection| sessions::find(connection, Digest(digest))).await;
            let found = found.map_err(|error| failed(error.into()))?.map(translate_identity::refresh_row);
            self.found().subject = found.as_ref().map(|row| row.family.subject.clone());
            Ok(found)
        })
    }

    fn rotate(&self, request: RotationRequest) -> BoxFuture<'_, Result<RotationResult, RefreshStoreError>> {
        let (clock, entry) = (self.clock, self.entry.clone());
        let rotated = self.store.write(move |connection| {
            let now = clock.unix_ms();
            let rotation = translate_identity::rotation(request);
            if !sessions::rotate(connection, &rotation)? {
                return Ok(None);
            }
            let row = sessions::find(connection, rotation.digest)?.ok_or(SessionError::AccountChanged)?;
            let family = translate_identity::refresh_row(row).family;
            let granted = get_granted(connection, &family, now)?;
            trail::append(connection, NewEntry { actor: Some(family.subject), ..entry })?;
            Ok::<_, SessionError>(Some(granted))
        });
        Box::pin(async {
            let granted = rotated.await.map_err(failed)?;
            let result = if granted.is_some() { RotationResult::Done } else { RotationResult::Stale };
            self.found().granted = granted;
            Ok(result)
        })
    }

    /// A token was used that, or a sibling of which, had been used before.
    fn revoke_family<'a>(&'a self, id: &'a str, at: UnixMs) -> BoxFuture<'a, Result<(), RefreshStoreError>> {
        let id = id.to_owned();
        let entry = NewEntry {
            actor: self.found().subject.clone(),
            result: codes::INVALID_REFRESH_TOKEN.name.to_owned(),
            detail: Some("the refresh token was used before: its session is ended".to_owned()),
            ..self.entry.clone()
        };
        let revoked = self.store.write(move |connection| {
            sessions::revoke_family(connection, &id, at.0)?;
            trail::append(connection, entry)
        });
        Box::pin(async { revoked.await.map_err(|error| failed(error.into())) })
    }
}

/// Writes down what a sign-in has found out, unless it is not so any more.
fn complete_sign_in(
    connection: &mut Connection,
    family: &Family,
    sign_in: &SignIn,
    now: UnixMs,
) -> Result<(), SessionError> {
    if !users::note_login(connection, &family.subject, &sign_in.checked, now.0)? {
        return Err(SessionError::AccountChanged);
    }
    if let Some(rehashed) = &sign_in.rehashed {
        users::rehash(connection, &family.subject, &sign_in.checked, rehashed)?;
    }
    if let Some(scopes) = &sign_in.scopes {
        sessions::narrow(connection, &family.id, &scopes.to_scope())?;
    }
    Ok(())
}

/// Reads what the account of a session may do in it.
///
/// # Errors
/// When the account is gone or locked, or the database cannot be read.
pub fn get_granted(connection: &mut Connection, family: &Family, now: UnixMs) -> Result<Granted, SessionError> {
    let account = users::find(connection, &family.subject)?.filter(|user| user.disabled_at_ms.is_none());
    let account = account.ok_or(SessionError::AccountChanged)?;
    let owned = to_names(&account.scopes)?;
    let scopes = match sessions::find_scopes(connection, &family.id)? {
        Some(narrowed) => owned.intersection(&to_names(&narrowed)?),
        None => owned,
    };
    Ok(Granted { at: now, roles: to_names(&account.roles)?, scopes })
}

fn failed(error: SessionError) -> RefreshStoreError {
    RefreshStoreError(Box::new(error))
}

impl From<OpenFamilyError> for SessionError {
    fn from(error: OpenFamilyError) -> Self {
        match error {
            OpenFamilyError::UnknownSubject => Self::AccountChanged,
            OpenFamilyError::Store(error) => Self::Store(error),
        }
    }
}
