//! Tokens of outside issuers that the operator trusts (OpenID Connect Discovery, RFC 9068, RFC 8725).
//!
//! An issuer is who is configured, letter by letter; the token's `iss` chooses among them and nothing in the token
//! chooses more. Its keys come through the port [`FetchJwks`], are remembered by `key_cache`, and each verifies with
//! an algorithm that the operator allows and the key is for. Whoever it is, is `<issuer>|<subject>`: never an e-mail
//! address or a name. Roles and scopes are what the operator's rules give, and nothing that a token says by itself.
//!
//! This module does not know HTTP: redirects, time limits and certificates are the port's.

mod issuer;
mod key_cache;
mod key_set;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::key_cache::KeyCache;
pub use self::{
    issuer::{AcceptedTypes, ExternalAlgorithm, ExternalIssuer, InvalidIssuer},
    key_cache::{FetchJwks, FetchJwksError},
    key_set::JWKS_BYTES_MAX,
    rules::ClaimRule,
};
use crate::{
    claims::{Claims, Validity},
    jws::Jws,
    principal::{Principal, PrincipalKind, PrincipalParts},
    provider::Provider,
    time::UnixMs,
    verify::{Verified, VerifyError},
};

/// Header parameters that bring a key, change what is signed, or must be understood and are not (RFC 8725 §3.10).
const REFUSED_HEADER_NAMES: &[&str] = &["b64", "crit", "cty", "enc", "epk", "jku", "jwk", "p2c", "x5c", "x5u", "zip"];
/// Longest key id in bytes. It is compared with what the issuer published and used for nothing else.
const KEY_ID_BYTES_MAX: usize = 256;

/// Why a token of an outside issuer is not believed, or cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExternalError {
    /// It breaks a rule.
    Refused(VerifyError),
    /// The issuer's keys cannot be had at the moment.
    KeysUnavailable,
}

impl From<VerifyError> for ExternalError {
    fn from(error: VerifyError) -> Self {
        Self::Refused(error)
    }
}

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub(crate) struct ExternalTokens {
    issuers: Vec<(ExternalIssuer, Arc<KeyCache>)>,
}

impl ExternalTokens {
    /// Reads nothing yet: an issuer that is down does not keep the host from starting.
    pub(crate) fn new(_proof: Provider, issuers: Vec<ExternalIssuer>, fetch: &Arc<dyn FetchJwks>) -> Self {
        let with_cache = |issuer: ExternalIssuer| {
            let cache = KeyCache::new(issuer.issuer().into(), issuer.algorithms().into(), Arc::clone(fetch));
            (issuer, Arc::new(cache))
        };
        Self { issuers: issuers.into_iter().map(with_cache).collect() }
    }

    /// Checks a token whose key is not one of this host's.
    ///
    /// # Cancel safety
    /// A fetch that was begun goes on without its caller.
    pub(crate) async fn verify(&self, jws: &Jws<'_>, now: UnixMs) -> Result<Verified, ExternalError> {
        if self.issuers.is_empty() {
            return Err(VerifyError::UnknownKey.into());
        }
        if jws.header.names().any(|name| REFUSED_HEADER_NAMES.contains(&name)) {
            return Err(VerifyError::Header.into());
        }
        // Not believed before the signature was checked: it only says whose keys to check it with.
        let claims = jws.claims()?;
        let named = claims.text("iss")?;
        let (issuer, cache) =
            self.issuers.iter().find(|(issuer, _)| issuer.issuer() == named).ok_or(VerifyError::Issuer)?;
        if !issuer.accepts_type(jws.header.token_type()?) {
            return Err(VerifyError::Type.into());
        }
        let algorithm = ExternalAlgorithm::parse(jws.header.algorithm()?).ok_or(VerifyError::Algorithm)?;
        if !issuer.algorithms().contains(&algorithm) {
            return Err(VerifyError::Algorithm.into());
        }
        let key_id = jws.header.key_id()?;
        if key_id.is_some_and(|id| id.is_empty() || id.len() > KEY_ID_BYTES_MAX) {
            return Err(VerifyError::Header.into());
        }
        let validity = check_claims(&claims, issuer, now)?;
        let key = cache.find_key(key_id, algorithm, now).await?;
        jws.verify_signature(jws.header.algorithm()?, &key)?;
        Ok(to_verified(claims, issuer, validity)?)
    }
}

/// Checks what needs no key, so that a token for somebody else costs no fetch and no signature.
fn check_claims(claims: &Claims, issuer: &ExternalIssuer, now: UnixMs) -> Result<Validity, VerifyError> {
    claims.require_audience(issuer.audiences())?;
    let validity = claims.require_validity(now)?;
    if validity.expires - validity.issued > issuer.lifetime_max().as_secs().cast_signed() {
        return Err(VerifyError::InvalidClaim("exp"));
    }
    Ok(validity)
}

fn to_verified(claims: Claims, issuer: &ExternalIssuer, validity: Validity) -> Result<Verified, VerifyError> {
    let subject = format!("{}|{}", issuer.issuer(), claims.text("sub")?);
    let (roles, scopes) = issuer.map(&claims);
    let principal = Principal::new(PrincipalParts {
        subject: subject.into(),
        kind: PrincipalKind::External,
        roles,
        // What the issuer calls a scope is a name of its own, and no right here.
        claims: claims.into_text_with(&scopes),
        scopes,
        session: None,
    });
    Ok(Verified { principal: Arc::new(principal), issued: validity.issued, expires: validity.expires })
}
