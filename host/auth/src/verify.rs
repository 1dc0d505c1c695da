//! The rules for access tokens of this host: RFC 9068 §4 for what they are, RFC 8725 §3 for how to distrust them.
//!
//! The rules are the strictest that a token of [`TokenIssuer`](crate::TokenIssuer) passes. The algorithm is the one
//! that is stored with the key, never the token's choice; the key id is an exact match in memory; a header parameter
//! that this host does not write is refused; the claims are looked at only after the signature. What was revoked, and
//! what is remembered, is not known here.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod wycheproof;

use std::{sync::Arc, time::Duration};

use crate::{
    jws::{Header, Jws, VerifyingKey},
    key_ring::{ALGORITHM_NAME, KeyRing},
    principal::{Principal, PrincipalKind, PrincipalParts},
    time::UnixMs,
    token::{ACCESS_TOKEN_LIFETIME_MAX, ACCESS_TOKEN_TYPE, TokenNames, is_local_subject},
};

/// Longest token in bytes; what is longer is not looked at.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the clocks of two machines may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// Longest key id in bytes.
const KEY_ID_BYTES_MAX: usize = 64;
/// The header parameters that this host writes.
const HEADER_NAMES: &[&str] = &["alg", "typ", "kid"];

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum VerifyError {
    /// It has more than [`TOKEN_BYTES_MAX`] bytes.
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// It is not three parts of base64url with JSON in the first two, readable in one way only.
    #[error("the token is not a signed token in compact form")]
    Malformed,
    /// Its header holds a parameter that is not accepted, or one of the wrong type.
    #[error("the token's header holds what is not accepted")]
    Header,
    /// It is a token for another purpose (RFC 8725 §3.11).
    #[error("the token is of another type")]
    Type,
    /// No key has its key id.
    #[error("the token's key is not known")]
    UnknownKey,
    /// It names another algorithm than its key is for (RFC 8725 §3.1).
    #[error("the token names an algorithm that its key is not for")]
    Algorithm,
    /// It was not signed with the key that it names, or was changed since.
    #[error("the token's signature does not match")]
    Signature,
    /// A claim is missing that must be there.
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim has the wrong type or an impossible value.
    #[error("the token's claim `{0}` is not valid")]
    InvalidClaim(&'static str),
    /// Somebody else issued it.
    #[error("the token is from another issuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over: a refresh brings a new one.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It claims to come from the future.
    #[error("the token was issued in the future")]
    IssuedInTheFuture,
    /// Its session or its owner's earlier tokens were revoked.
    #[error("the token was revoked")]
    Revoked,
}

/// What a verified token says.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Arc<Principal>,
    /// Second in which it was made.
    pub(crate) issued: i64,
    /// Second from which on it is good no more.
    pub(crate) expires: i64,
}

/// Verifies this host's own access tokens.
#[derive(Debug)]
pub(crate) struct OwnTokens {
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) names: TokenNames,
}

impl OwnTokens {
    /// Returns the key that a header names, when it is one of this host's.
    pub(crate) fn find_key(&self, header: &Header) -> Result<Option<VerifyingKey>, VerifyError> {
        let key_id = header.key_id()?;
        Ok(key_id.filter(|id| is_key_id(id)).and_then(|id| self.ring.find_verifying_key(id)))
    }

    /// Checks a token that names `key` as its own.
    pub(crate) fn verify(&self, jws: &Jws<'_>, key: &VerifyingKey, now: UnixMs) -> Result<Verified, VerifyError> {
        if jws.header.names().any(|name| !HEADER_NAMES.contains(&name)) {
            return Err(VerifyError::Header);
        }
        if jws.header.token_type()? != Some(ACCESS_TOKEN_TYPE) {
            return Err(VerifyError::Type);
        }
        jws.verify_signature(ALGORITHM_NAME, key)?;
        let claims = jws.claims()?;
        claims.require_issuer(&self.names.issuer)?;
        claims.require_audience(&[&self.names.audience])?;
        let validity = claims.require_validity(now)?;
        if validity.expires - validity.issued > ACCESS_TOKEN_LIFETIME_MAX.as_secs().cast_signed() {
            return Err(VerifyError::InvalidClaim("exp"));
        }
        let subject = claims.text("sub")?;
        if !is_local_subject(subject) {
            return Err(VerifyError::InvalidClaim("sub"));
        }
        claims.text("jti")?;
        claims.text("client_id")?;
        let principal = Principal::new(PrincipalParts {
            subject: subject.into(),
            kind: PrincipalKind::User,
            roles: claims.names("roles")?,
            scopes: claims.scope()?,
            session: Some(claims.text("sid")?.into()),
            claims: claims.into_text(),
        });
        Ok(Verified { principal: Arc::new(principal), issued: validity.issued, expires: validity.expires })
    }
}

/// Returns whether `id` can be a key id of this host: a name in memory, never a path, an address or a query.
fn is_key_id(id: &str) -> bool {
    let is_url_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_url_safe)
}
