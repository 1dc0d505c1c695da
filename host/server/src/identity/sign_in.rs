//! The way from a password, or a refresh token, to an access token.
//!
//! Whether an account exists is not to be found out: the brakes count names, a password is compared with somebody's
//! hash in any case, and what is answered is the same. The token says what the account is at the moment of the
//! transaction that opened its session or went on with it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use backplane_auth::{
    AccessGrant, AccessToken, Delayed, ExposeSecret as _, Family, HashedPassword, IssueError, Names, PasswordCheck,
    RefreshError, RefreshStoreError, RefreshTokens, SecretString, VerifyPasswordError,
};
use backplane_store::identity::{
    PasswordHash,
    audit::{self, NewEntry},
    users::{self, User},
};
use serde::{Serialize, Serializer};

use super::{
    Identity, challenge,
    failure::{checking_failed, store_failed},
    trail::{self, Origin},
};
use crate::{
    adapters::{Found, Granted, SessionError, Sessions, SignIn, get_granted, to_names},
    problem::{ApiError, ApiResult, Chain, codes},
};

/// The application that sessions are opened for (RFC 9068 §2.2): there is one, this server's own.
const CLIENT_ID: &str = "backplane";
/// How often a token is issued anew because its account was changed meanwhile.
const TRIES: usize = 3;
/// When what failed is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How somebody is known who has signed in, or wants to.
const KIND: &str = "user";

/// What somebody signs in with.
pub struct Credentials {
    /// Of the account.
    pub name: String,
    /// What only its owner knows.
    pub password: SecretString,
    /// The scopes that the session is to have; all of the account's when absent.
    pub scopes: Option<Names>,
}

/// The answer to a sign-in (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub struct Tokens {
    #[serde(serialize_with = "expose")]
    access_token: SecretString,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(serialize_with = "expose")]
    refresh_token: SecretString,
    scope: String,
}

/// Writes a secret into the answer to whom it belongs.
///
/// # Errors
/// As the serializer.
pub fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl Identity {
    /// Opens a session for whoever knows the password of an account.
    ///
    /// # Errors
    /// `too_many_attempts`, `sign_in_busy`, `invalid_credentials`, `invalid_request` for scopes that the account does
    /// not have, or what the store says.
    ///
    /// # Cancel safety
    /// An attempt that is broken off counts as failed, and leaves at most a session that nobody has the tokens of.
    pub async fn sign_in(&self, credentials: Credentials, origin: &Origin) -> ApiResult<Tokens> {
        let Credentials { name, password, scopes } = credentials;
        let attempt = self.throttle.admit(&name, origin.address).map_err(|delayed| too_many_attempts(&delayed))?;
        let found = self.reading.read(move |connection| users::find_by_name(connection, &name)).await;
        let user = match found {
            Ok(user) => user,
            Err(error) => {
                attempt.not_checked();
                return Err(store_failed(error));
            }
        };
        let enabled = user.as_ref().filter(|user| user.disabled_at_ms.is_none());
        let checked = match self.check_password(&password, enabled, scopes).await {
            Ok(checked) => checked,
            Err(error) => {
                attempt.not_checked();
                return Err(error);
            }
        };
        let Some((user, sign_in)) = checked else {
            self.note_failure(user.as_ref(), origin).await;
            return Err(challenge::invalid_credentials());
        };
        attempt.succeeded();
        require_scopes(&sign_in, user)?;
        self.open_session(user, sign_in, origin).await
    }

    /// Goes on with the session that a refresh token is of.
    ///
    /// # Errors
    /// `invalid_refresh_token`, or what the store says.
    ///
    /// # Cancel safety
    /// A token whose answer is lost may be used again for the grace of the configuration.
    pub async fn refresh(&self, token: &SecretString, origin: &Origin) -> ApiResult<Tokens> {
        let now = self.clock.unix_ms();
        let sessions = self.sessions(origin.entry("refresh", KIND, trail::OK, now), None);
        let tokens = RefreshTokens::new(Arc::clone(&sessions) as _, self.refresh_policy, self.random.clone());
        match tokens.rotate(token, now).await {
            Ok(rotated) => self.issue(&rotated.family, rotated.token, &sessions).await,
            Err(error) => {
                if let RefreshError::Reused { family } = &error {
                    tracing::warn!(subject = family.subject, session = family.id, "a refresh token was used twice");
                    self.learn().await;
                }
                Err(refresh_failed(error))
            }
        }
    }

    /// Returns the account with what was found out when the password is right, after the same work in any case.
    async fn check_password<'a>(
        &self,
        password: &SecretString,
        user: Option<&'a User>,
        scopes: Option<Names>,
    ) -> ApiResult<Option<(&'a User, SignIn)>> {
        let stored = user.map(|user| HashedPassword(user.password_hash.0.clone()));
        let rehash_needed = match self.passwords.verify(password, stored.as_ref()).await {
            Ok(PasswordCheck::Right { rehash_needed }) => rehash_needed,
            Ok(PasswordCheck::Wrong) => return Ok(None),
            Err(VerifyPasswordError::UnreadableHash) => {
                let subject = user.map(|user| user.subject.as_str());
                tracing::error!(subject, "the password of an account cannot be read: give it a new one");
                return Ok(None);
            }
            Err(error) => return Err(checking_failed(error)),
        };
        let Some(user) = user else { return Ok(None) };
        let rehashed = if rehash_needed { self.rehash(password, &user.name).await } else { None };
        Ok(Some((user, SignIn { checked: user.password_hash.clone(), rehashed, scopes })))
    }

    /// Refuses a caller who does not know the password of its own account, with the brakes of a sign-in.
    pub(super) async fn require_password(
        &self,
        user: &User,
        password: &SecretString,
        origin: &Origin,
    ) -> ApiResult<()> {
        let attempt = self.throttle.admit(&user.name, origin.address).map_err(|delayed| too_many_attempts(&delayed))?;
        match self.check_password(password, Some(user), None).await {
            Ok(Some(_)) => {
                attempt.succeeded();
                Ok(())
            }
            Ok(None) => Err(challenge::invalid_credentials()),
            Err(error) => {
                attempt.not_checked();
                Err(error)
            }
        }
    }

    /// Hashes a password as today, if it may still be chosen and somebody has time for it.
    async fn rehash(&self, password: &SecretString, account: &str) -> Option<PasswordHash> {
        let checked = self.password_rules.check(password, account).ok()?;
        Some(PasswordHash(self.passwords.hash(&checked).await.ok()?.0))
    }

    /// Opens a session of an account whose password is known to be right.
    pub(super) async fn open_session(&self, user: &User, sign_in: SignIn, origin: &Origin) -> ApiResult<Tokens> {
        let now = self.clock.unix_ms();
        let sessions = self.sessions(origin.entry("login", KIND, trail::OK, now), Some(sign_in));
        let tokens = RefreshTokens::new(Arc::clone(&sessions) as _, self.refresh_policy, self.random.clone());
        match tokens.open(&user.subject, CLIENT_ID, now).await {
            Ok(opening) => self.issue(&opening.family, opening.token, &sessions).await,
            Err(RefreshError::Store(error)) => Err(stored_failed(error, challenge::invalid_credentials)),
            Err(error) => Err(ApiError::internal(error)),
        }
    }

    fn sessions(&self, entry: NewEntry, sign_in: Option<SignIn>) -> Arc<Sessions> {
        let (store, reading, clock) = (Arc::clone(&self.store), self.reading.clone(), self.clock);
        Arc::new(Sessions { store, reading, clock, entry, sign_in, found: Mutex::new(Found::default()) })
    }

    /// Signs an access token for a session that was just opened or has gone on.
    async fn issue(&self, family: &Family, refresh_token: SecretString, sessions: &Sessions) -> ApiResult<Tokens> {
        let mut granted = sessions.granted();
        for _ in 0..TRIES {
            let believed_from = self.revocations.earliest_issued(&family.subject);
            // What was voided after the account was read would be older than the token, and say nothing about it.
            let as_read = granted.take().filter(|granted| believed_from <= granted.at.seconds());
            let granted = match as_read {
                Some(granted) => granted,
                None => self.look_again(family).await?,
            };
            let token = self.issuer.issue(&grant(family, &granted), granted.at).map_err(issue_failed)?;
            if self.revocations.earliest_issued(&family.subject) == believed_from {
                return Ok(self.answer(token, refresh_token, &granted.scopes));
            }
        }
        Err(ApiError::new(codes::SUPERSEDED, "the account is being changed: try again"))
    }

    /// Reads what the account of a session may do in it now.
    async fn look_again(&self, family: &Family) -> ApiResult<Granted> {
        let (family, now) = (family.clone(), self.clock.unix_ms());
        let granted = self.reading.read(move |connection| get_granted(connection, &family, now)).await;
        granted.map_err(|error| session_failed(error, challenge::invalid_refresh_token))
    }

    fn answer(&self, token: AccessToken, refresh_token: SecretString, scopes: &Names) -> Tokens {
        Tokens {
            access_token: token.token,
            token_type: "Bearer",
            expires_in: self.access_token_ttl.as_secs(),
            refresh_token,
            scope: scopes.to_scope(),
        }
    }

    /// Writes down that a password was wrong, and for whom where there is somebody.
    async fn note_failure(&self, user: Option<&User>, origin: &Origin) {
        let entry = origin.entry("login", KIND, codes::INVALID_CREDENTIALS.name, self.clock.unix_ms());
        let entry = NewEntry {
            actor: user.map(|user| user.subject.clone()),
            actor_name: user.map(|user| user.name.clone()),
            ..entry
        };
        if let Err(error) = self.store.write(move |connection| audit::append(connection, entry)).await {
            tracing::warn!(error = Chain(&error).to_string(), "a failed sign-in is not in the audit trail");
        }
    }
}

/// Refuses a sign-in that asks for more than the account has. Only who knows the password is told.
fn require_scopes(sign_in: &SignIn, user: &User) -> ApiResult<()> {
    let owned = to_names(&user.scopes).map_err(ApiError::internal)?;
    let missing = sign_in.scopes.as_ref().and_then(|scopes| scopes.iter().find(|scope| !owned.contains(scope)));
    missing.map_or(Ok(()), |missing| {
        Err(ApiError::new(codes::INVALID_REQUEST, format!("the account does not have the scope `{missing}`")))
    })
}

fn grant(family: &Family, granted: &Granted) -> AccessGrant {
    AccessGrant {
        subject: family.subject.clone(),
        session: family.id.clone(),
        client_id: family.client_id.clone(),
        roles: granted.roles.clone(),
        scopes: granted.scopes.clone(),
    }
}

fn too_many_attempts(delayed: &Delayed) -> ApiError {
    let detail = "too many sign-ins to this account or from this address: wait";
    ApiError::new(codes::TOO_MANY_ATTEMPTS, detail).with_retry_after(delayed.retry_after)
}

fn issue_failed(error: IssueError) -> ApiError {
    match error {
        IssueError::NoActiveKey => {
            let detail = "no token can be signed at the moment";
            ApiError::new(codes::IDENTITY_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER).with_source(error)
        }
        error => ApiError::internal(error),
    }
}

fn refresh_failed(error: RefreshError) -> ApiError {
    match error {
        RefreshError::Store(error) => stored_failed(error, challenge::invalid_refresh_token),
        RefreshError::Contended => {
            let detail = "too many requests use this refresh token at once";
            ApiError::new(codes::IDENTITY_UNAVAILABLE, detail).with_retry_after(RETRY_AFTER)
        }
        RefreshError::NoRandomness(error) => ApiError::internal(error),
        RefreshError::Unknown | RefreshError::Expired | RefreshError::Revoked | RefreshError::Reused { .. } => {
            challenge::invalid_refresh_token().with_source(error)
        }
    }
}

fn stored_failed(RefreshStoreError(error): RefreshStoreError, refuse: fn() -> ApiError) -> ApiError {
    match error.downcast::<SessionError>() {
        Ok(error) => session_failed(*error, refuse),
        Err(error) => ApiError::internal(error),
    }
}

fn session_failed(error: SessionError, refuse: fn() -> ApiError) -> ApiError {
    match error {
        SessionError::AccountChanged => refuse().with_source(error),
        SessionError::Damaged(error) => ApiError::internal(error),
        SessionError::Store(error) => store_failed(error),
    }
}
