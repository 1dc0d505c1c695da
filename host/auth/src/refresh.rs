//! Refresh tokens: opaque, used once, in families (RFC 6749 §10.4, RFC 9700 §4.14.2).
//!
//! A family is a session: it begins with a sign-in and ends 30 days later, or when it was not used for 7 days, or when
//! it is revoked. Each use replaces the token. A token that is used again was stolen, from its owner or by its owner's
//! thief, and the whole family ends. One exception: within ten seconds, and as long as its replacement was never
//! used, a token may be used again, because the answer that carried the replacement may have been lost.
//!
//! Tokens that replace the same one are siblings. Whoever asks again keeps one of them and forgets the others, so one
//! that is used after its sibling was is in the hands of somebody else, and the family ends, too. The used tokens of a
//! family are one line therefore, and never two.
//!
//! What to do is a pure function of a row and the time ([`RefreshPolicy`]). The row changes by one compare-and-set, so
//! of two refreshes at once the second sees what the first did. Rows hold digests. Who is signed in, and what an access
//! token then says, is not known here.

mod policy;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ring::{digest, rand::SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::policy::RefreshPolicy;
use self::policy::Verdict;
use crate::{
    BoxFuture,
    random::NoRandomness,
    secret_text::{create_id, create_secret, parse_secret},
    time::UnixMs,
};

/// What every refresh token begins with.
pub const REFRESH_TOKEN_PREFIX: &str = "bpr_";
const FAMILY_ID_CHARS: usize = 22;
/// How often a refresh looks again when others change the row under it.
const TRIES: usize = 3;

/// A session with its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its id, which is the `sid` of the access tokens.
    pub id: String,
    /// Who is signed in.
    pub subject: String,
    /// With which application.
    pub client_id: String,
    /// When it ends, whatever happens.
    pub expires_at: UnixMs,
    /// When it was ended before its time.
    pub revoked_at: Option<UnixMs>,
}

/// A refresh token as a row, with its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRow {
    /// SHA-256 of the token's secret.
    pub digest: [u8; 32],
    /// Whose it is.
    pub family: Family,
    /// When it was made.
    pub issued_at: UnixMs,
    /// When it was used for the first time.
    pub used_at: Option<UnixMs>,
    /// How often it was used.
    pub uses: u32,
    /// Whether a token that replaced it was used.
    pub successor_used: bool,
    /// Whether another token that replaced the same one was used.
    pub sibling_used: bool,
}

/// A refresh token that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefreshToken {
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
    /// The family that it belongs to.
    pub family_id: String,
    /// The token that it replaces.
    pub parent: Option<[u8; 32]>,
    /// When it was made.
    pub issued_at: UnixMs,
}

/// A change that happens whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRequest {
    /// The row of this token ...
    pub digest: [u8; 32],
    /// ... if it was used this often, no successor and no sibling of it was used, and its family is not revoked,
    pub uses: u32,
    /// gets this as `used_at` unless it has one, and one use more,
    pub at: UnixMs,
    /// and this row is added.
    pub successor: NewRefreshToken,
}

/// Whether a rotation happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationResult {
    /// It did.
    Done,
    /// The row was not as expected: nothing changed.
    Stale,
}

/// Keeps families and their tokens.
pub trait RefreshStore: Send + Sync {
    /// Adds a family and its first token.
    fn open_family(&self, family: Family, first: NewRefreshToken) -> BoxFuture<'_, Result<(), RefreshStoreError>>;
    /// Returns the row of a token. Rows stay until their family's `expires_at`, or a reuse would go unnoticed.
    fn find(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<RefreshRow>, RefreshStoreError>>;
    /// Compares and sets.
    fn rotate(&self, request: RotationRequest) -> BoxFuture<'_, Result<RotationResult, RefreshStoreError>>;
    /// Sets `revoked_at` of a family, unless it is set.
    fn revoke_family<'a>(&'a self, id: &'a str, at: UnixMs) -> BoxFuture<'a, Result<(), RefreshStoreError>>;
}

/// The store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("refresh tokens could not be read or written")]
pub struct RefreshStoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A session that is to be stored.
#[derive(Debug)]
pub struct NewSession {
    /// Its family.
    pub family: Family,
    /// The row of its first token.
    pub first: NewRefreshToken,
    /// What goes to the client and nowhere else.
    pub token: SecretString,
}

/// A session that begins.
#[derive(Debug)]
pub struct Opening {
    /// The session.
    pub family: Family,
    /// What goes to the client and nowhere else.
    pub token: SecretString,
}

/// A session that goes on.
#[derive(Debug)]
pub struct Rotated {
    /// The session.
    pub family: Family,
    /// What replaces the token that was presented.
    pub token: SecretString,
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It is not a token of ours, or one of a family that ended long ago.
    #[error("the refresh token is not known")]
    Unknown,
    /// It was not used in time, or its family has ended.
    #[error("the session has expired")]
    Expired,
    /// Its family was revoked.
    #[error("the session was revoked")]
    Revoked,
    /// It, or a sibling of it, was used before. The family is revoked now: feed [`Revocations`](crate::Revocations),
    /// tell the security log.
    #[error("the refresh token was used before: its session is revoked")]
    Reused {
        /// The session that ended.
        family: Box<Family>,
    },
    /// Others change the row all the time.
    #[error("the refresh token is used by too many requests at once")]
    Contended,
    /// A token has to be made and cannot be.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed; the token that was presented may be used again.
    #[error(transparent)]
    Store(#[from] RefreshStoreError),
}

/// Opens sessions and keeps them going.
pub struct RefreshTokens {
    store: Arc<dyn RefreshStore>,
    policy: RefreshPolicy,
    random: SystemRandom,
}

impl RefreshTokens {
    /// Keeps sessions in `store`.
    pub fn new(store: Arc<dyn RefreshStore>, policy: RefreshPolicy, random: SystemRandom) -> Self {
        Self { store, policy, random }
    }

    /// Opens a session for somebody who has just signed in.
    ///
    /// # Errors
    /// When there is no randomness, or the store fails.
    pub async fn open(&self, subject: &str, client_id: &str, now: UnixMs) -> Result<Opening, RefreshError> {
        let NewSession { family, first, token } =
            NewSession::create(self.policy, subject, client_id, now, &self.random)?;
        self.store.open_family(family.clone(), first).await?;
        Ok(Opening { family, token })
    }

    /// Replaces a token.
    ///
    /// # Errors
    /// When the token is not known, too old or revoked; when it or a sibling was used before, and then its family is
    /// revoked; or when the store fails.
    ///
    /// # Cancel safety
    /// A caller that goes away while the store works may have used its token without an answer; it may use it again
    /// for ten seconds.
    pub async fn rotate(&self, presented: &SecretString, now: UnixMs) -> Result<Rotated, RefreshError> {
        let secret = parse_secret(presented.expose_secret(), REFRESH_TOKEN_PREFIX).ok_or(RefreshError::Unknown)?;
        let digest = digest_of(secret);
        for _ in 0..TRIES {
            let row = self.store.find(digest).await?.ok_or(RefreshError::Unknown)?;
            match self.policy.decide(&row, now) {
                Verdict::Expired => return Err(RefreshError::Expired),
                Verdict::Revoked => return Err(RefreshError::Revoked),
                Verdict::Reused => {
                    self.store.revoke_family(&row.family.id, now).await?;
                    return Err(RefreshError::Reused { family: Box::new(row.family) });
                }
                Verdict::Rotate => {
                    let (token, successor) = create_token(&row.family.id, Some(digest), now, &self.random)?;
                    let request = RotationRequest { digest, uses: row.uses, at: now, successor };
                    if self.store.rotate(request).await? == RotationResult::Done {
                        return Ok(Rotated { family: row.family, token });
                    }
                }
            }
        }
        Err(RefreshError::Contended)
    }

    /// Ends a session, as signing out does. Feed [`Revocations`](crate::Revocations) too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, family_id: &str, now: UnixMs) -> Result<(), RefreshError> {
        Ok(self.store.revoke_family(family_id, now).await?)
    }
}

impl NewSession {
    /// Makes a session of `subject` with the application `client_id`.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn create(
        policy: RefreshPolicy,
        subject: &str,
        client_id: &str,
        now: UnixMs,
        random: &SystemRandom,
    ) -> Result<Self, NoRandomness> {
        let family = Family {
            id: create_id(FAMILY_ID_CHARS, random)?,
            subject: subject.to_owned(),
            client_id: client_id.to_owned(),
            expires_at: now.after(policy.lifetime),
            revoked_at: None,
        };
        let (token, first) = create_token(&family.id, None, now, random)?;
        Ok(Self { family, first, token })
    }
}

fn create_token(
    family_id: &str,
    parent: Option<[u8; 32]>,
    now: UnixMs,
    random: &SystemRandom,
) -> Result<(SecretString, NewRefreshToken), NoRandomness> {
    let token = create_secret(REFRESH_TOKEN_PREFIX, random)?;
    let secret = parse_secret(token.expose_secret(), REFRESH_TOKEN_PREFIX);
    let secret = secret.expect("a token that was just made is spelled right");
    let row = NewRefreshToken { digest: digest_of(secret), family_id: family_id.to_owned(), parent, issued_at: now };
    Ok((token, row))
}

fn digest_of(secret: &str) -> [u8; 32] {
    let digested = digest::digest(&digest::SHA256, secret.as_bytes());
    digested.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
