//! From an `Authorization` header to a principal: the one door for every credential.
//!
//! A credential that was verified a moment ago costs a digest and a look into memory; what was revoked since, which
//! keys have changed and what time it is are looked at every time. The three kinds of credential never mix: a key id of
//! this host means its own rules, anything else a configured issuer's, and a text that begins with the prefix of API
//! keys is one or nothing (RFC 8725 §3.12).
//!
//! It does not know what the caller may do, nor how a refusal is told over HTTP.

mod cache;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::cache::{Cached, CredentialCache, Digest, Source};
use crate::{
    api_key::{API_KEY_PREFIX, ApiKeyError, FindApiKey, StoredApiKey, parse_api_key},
    external::{ExternalError, ExternalIssuer, ExternalTokens, FetchJwks},
    jws::Jws,
    key_ring::KeyRing,
    principal::Principal,
    provider::Provider,
    revocations::{Revocations, TokenOf},
    time::UnixMs,
    token::TokenNames,
    verify::{OwnTokens, TOKEN_BYTES_MAX, Verified, VerifyError},
};

/// What an [`Authenticator`] is made of.
pub struct AuthenticatorParts {
    /// The keys of this host's own tokens.
    pub ring: Arc<KeyRing>,
    /// What this host's own tokens are named by.
    pub names: TokenNames,
    /// Outside issuers whose tokens are believed.
    pub external: Vec<ExternalIssuer>,
    /// Fetches their keys.
    pub fetch_jwks: Arc<dyn FetchJwks>,
    /// Looks API keys up.
    pub find_api_key: Arc<dyn FindApiKey>,
    /// What is believed no more.
    pub revocations: Arc<Revocations>,
}

/// Why nobody is authenticated.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The header is not `Bearer` and one credential (RFC 6750 §2.1).
    #[error("the Authorization header must be `Bearer` and one token or API key")]
    Scheme,
    /// The token is not believed: `invalid_token` (RFC 6750 §3.1).
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// The API key is not believed: `invalid_token` as well.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// Whether the credential is good cannot be found out at the moment.
    #[error("the credential cannot be checked at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The keys of the token's issuer cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the token's issuer cannot be fetched")]
struct KeysUnavailable;

/// Knows who calls.
pub struct Authenticator {
    own: OwnTokens,
    external: ExternalTokens,
    find_api_key: Arc<dyn FindApiKey>,
    revocations: Arc<Revocations>,
    cache: CredentialCache,
}

impl Authenticator {
    /// Believes what `parts` says.
    pub fn new(proof: Provider, parts: AuthenticatorParts) -> Self {
        Self {
            external: ExternalTokens::new(proof, parts.external, &parts.fetch_jwks),
            own: OwnTokens { ring: parts.ring, names: parts.names },
            find_api_key: parts.find_api_key,
            revocations: parts.revocations,
            cache: CredentialCache::new(),
        }
    }

    /// Returns who sends the value of an `Authorization` header, at `now`.
    ///
    /// # Errors
    /// When the header is none of ours, or the credential in it is not believed or cannot be checked.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing half done.
    pub async fn authenticate(&self, authorization: &[u8], now: UnixMs) -> Result<Arc<Principal>, AuthenticateError> {
        let credential = parse_bearer(authorization)?;
        let digest = Digest::of(credential);
        if let Some(principal) = self.find_cached(&digest, now)? {
            return Ok(principal);
        }
        // On the heap: most calls end above and need not carry around what the others need.
        Box::pin(self.verify(credential, digest, now)).await
    }

    fn find_cached(&self, digest: &Digest, now: UnixMs) -> Result<Option<Arc<Principal>>, VerifyError> {
        let Some(cached) = self.cache.find(digest, now) else { return Ok(None) };
        if matches!(cached.source, Source::Own { epoch } if epoch != self.own.ring.epoch()) {
            return Ok(None);
        }
        let version = self.revocations.version();
        if cached.checked_at() == version {
            return Ok(Some(Arc::clone(&cached.principal)));
        }
        match &cached.source {
            // What the store says now counts.
            Source::ApiKey { id }
                if self.revocations.is_outdated(id, cached.principal.subject(), cached.checked_at()) =>
            {
                return Ok(None);
            }
            Source::Own { .. } | Source::External if self.revocations.is_revoked(cached.token()) => {
                return Err(VerifyError::Revoked);
            }
            Source::ApiKey { .. } | Source::Own { .. } | Source::External => {}
        }
        cached.note_checked_at(version);
        Ok(Some(Arc::clone(&cached.principal)))
    }

    async fn verify(&self, credential: &str, digest: Digest, now: UnixMs) -> Result<Arc<Principal>, AuthenticateError> {
        // Noted before the look at what they count: a change in between is noticed at the next request.
        let (version, epoch) = (self.revocations.version(), self.own.ring.epoch());
        let (verified, source) = match credential.starts_with(API_KEY_PREFIX) {
            true => self.verify_api_key(credential, now).await?,
            false => self.verify_token(credential, epoch, now).await?,
        };
        let principal = Arc::clone(&verified.principal);
        self.cache.insert(digest, Cached::new(verified, source, version, now));
        Ok(principal)
    }

    async fn verify_token(
        &self,
        token: &str,
        epoch: u64,
        now: UnixMs,
    ) -> Result<(Verified, Source), AuthenticateError> {
        let jws = Jws::parse(token)?;
        let (verified, source) = match self.own.find_key(&jws.header)? {
            Some(key) => (self.own.verify(&jws, &key, now)?, Source::Own { epoch }),
            None => match self.external.verify(&jws, now).await {
                Ok(verified) => (verified, Source::External),
                Err(ExternalError::Refused(error)) => return Err(error.into()),
                Err(ExternalError::KeysUnavailable) => {
                    return Err(AuthenticateError::Unavailable(Box::new(KeysUnavailable)));
                }
            },
        };
        let principal = &verified.principal;
        let token = TokenOf { subject: principal.subject(), session: principal.session(), issued: verified.issued };
        match self.revocations.is_revoked(token) {
            true => Err(VerifyError::Revoked.into()),
            false => Ok((verified, source)),
        }
    }

    async fn verify_api_key(&self, text: &str, now: UnixMs) -> Result<(Verified, Source), AuthenticateError> {
        let presented = parse_api_key(text)?;
        let found = self.find_api_key.find_api_key(presented.id()).await;
        let stored: StoredApiKey =
            found.map_err(|error| AuthenticateError::Unavailable(Box::new(error)))?.ok_or(ApiKeyError::Unknown)?;
        let verified = stored.verify(&presented, now)?;
        self.find_api_key.note_used(presented.id(), now);
        Ok((verified, Source::ApiKey { id: presented.id().into() }))
    }
}

/// Returns the credential in a header value: `Bearer`, in any case, spaces, and a `b64token` (RFC 6750 §2.1, RFC 9110
/// §11.1).
fn parse_bearer(authorization: &[u8]) -> Result<&str, AuthenticateError> {
    let text = std::str::from_utf8(authorization).map_err(|_not_text| AuthenticateError::Scheme)?;
    let (scheme, rest) = text.split_once(' ').ok_or(AuthenticateError::Scheme)?;
    let credential = rest.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || credential.is_empty() {
        return Err(AuthenticateError::Scheme);
    }
    if credential.len() > TOKEN_BYTES_MAX {
        return Err(VerifyError::TooLong.into());
    }
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    match credential.bytes().all(is_b64token) {
        true => Ok(credential),
        false => Err(AuthenticateError::Scheme),
    }
}
