//! The token with which whoever started the server makes the first administrator.
//!
//! It is printed once, lives in memory, works once, for 15 minutes, and only while nobody administers the server.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane_auth::{NoRandomness, SecretString, SetupToken, SystemRandom};
use backplane_store::{
    StoreError,
    identity::{
        PasswordHash,
        audit::NewEntry,
        users::{self, CreateUserError, NewUser, User},
    },
};
use tokio::time::Instant;

use super::{
    ADMIN_ROLE, Identity,
    accounts::{create_subject, require_user_name},
    challenge,
    failure::{create_user_failed, store_failed},
    sign_in::Tokens,
    trail::{self, Origin},
};
use crate::{adapters::SignIn, problem::ApiResult};

/// How long the token is good.
pub const SETUP_LIFETIME: Duration = Duration::from_mins(15);

/// Whether somebody may still set the server up.
pub(super) struct Setup(Mutex<Option<Offer>>);

struct Offer {
    token: SetupToken,
    until: Instant,
}

impl Setup {
    /// Lets nobody set the server up.
    pub(super) fn closed() -> Self {
        Self(Mutex::new(None))
    }

    /// Lets whoever has the token that is returned set the server up.
    pub(super) fn open(random: &SystemRandom) -> Result<(Self, SecretString), NoRandomness> {
        let (text, token) = SetupToken::create(random)?;
        Ok((Self(Mutex::new(Some(Offer { token, until: Instant::now() + SETUP_LIFETIME }))), text))
    }

    /// Returns whether somebody could still come with the token.
    pub(super) fn is_open(&self) -> bool {
        self.offer().as_ref().is_some_and(|offer| Instant::now() < offer.until)
    }

    /// Returns whether `presented` is the token, in time.
    pub(super) fn admits(&self, presented: &SecretString) -> bool {
        self.offer().as_ref().is_some_and(|offer| Instant::now() < offer.until && offer.token.matches(presented))
    }

    /// Lets nobody set the server up any more.
    pub(super) fn close(&self) {
        *self.offer() = None;
    }

    fn offer(&self) -> MutexGuard<'_, Option<Offer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is to administer the server.
pub struct FirstAdministrator {
    /// What the server printed.
    pub token: SecretString,
    /// Of the account.
    pub name: String,
    /// Of the account.
    pub password: SecretString,
}

/// Why the server was not set up.
#[derive(Debug, thiserror::Error)]
enum SetUpError {
    /// Somebody was quicker.
    #[error("somebody administers the server already")]
    HasAdministrator,
    /// The account cannot be made.
    #[error(transparent)]
    Create(#[from] CreateUserError),
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Makes the first administrator, and signs it in.
    ///
    /// # Errors
    /// `invalid_setup_token` also when somebody administers the server already; `weak_password`, `user_exists`, or
    /// what the store says. The token is good on then.
    pub async fn set_up(&self, first: FirstAdministrator, origin: &Origin) -> ApiResult<Tokens> {
        let FirstAdministrator { token, name, password } = first;
        if !self.setup.admits(&token) {
            return Err(challenge::invalid_setup_token());
        }
        require_user_name(&name)?;
        let hash = self.hash_password(&password, &name).await?;
        let user = self.create_first(name, hash, origin).await.map_err(|error| match error {
            SetUpError::HasAdministrator => challenge::invalid_setup_token(),
            SetUpError::Create(error) => create_user_failed(error),
            SetUpError::Store(error) => store_failed(error),
        })?;
        self.setup.close();
        let sign_in = SignIn { checked: user.password_hash.clone(), rehashed: None, scopes: None };
        self.open_session(&user, sign_in, origin).await
    }

    async fn create_first(
        &self,
        name: String,
        password_hash: PasswordHash,
        origin: &Origin,
    ) -> Result<User, SetUpError> {
        let (clock, subject) = (self.clock, create_subject(self.clock));
        let entry = NewEntry {
            actor: Some(subject.clone()),
            target: Some(name.clone()),
            ..origin.entry("setup", "setup", trail::OK, clock.unix_ms())
        };
        let created = self.store.write(move |connection| {
            if users::has_administrator(connection, ADMIN_ROLE)? {
                return Err(SetUpError::HasAdministrator);
            }
            let (roles, scopes, created_at_ms) = (ADMIN_ROLE.to_owned(), String::new(), clock.unix_ms().0);
            let user = NewUser { subject, name, password_hash, roles, scopes, created_at_ms };
            users::create(connection, &user)?;
            trail::append(connection, entry)?;
            Ok(users::find(connection, &user.subject)?.ok_or(StoreError::Unknown)?)
        });
        created.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn admits_the_token_for_fifteen_minutes_and_no_other() {
        let (setup, token) = Setup::open(&SystemRandom::new()).expect("randomness");
        let (_, other) = Setup::open(&SystemRandom::new()).expect("randomness");
        assert!(setup.is_open() && setup.admits(&token) && !setup.admits(&other));
        tokio::time::advance(SETUP_LIFETIME - Duration::from_millis(1)).await;
        assert!(setup.admits(&token));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!setup.admits(&token) && !setup.is_open());
    }

    #[tokio::test]
    async fn admits_nobody_once_it_is_closed() {
        let (setup, token) = Setup::open(&SystemRandom::new()).expect("randomness");
        setup.close();
        assert!(!setup.admits(&token) && !setup.is_open());
        assert!(!Setup::closed().is_open());
    }
}
