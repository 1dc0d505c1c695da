//! API keys: `bp_<id>_<secret><checksum>`.
//!
//! The id finds the row, the digest of the secret in it decides. A plain digest is enough where the secret has 256
//! random bits (OWASP ASVS 5.0 §6.5.2). It is compared in constant time. The secret is shown once, when it is made; the
//! row does not hold it. Who may make keys, and how many, is not known here.

use std::sync::Arc;

use ring::{digest, rand::SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::{
    BoxFuture,
    names::Names,
    principal::{Principal, PrincipalKind, PrincipalParts},
    random::NoRandomness,
    secret_text::{create_id, create_secret, is_base62, parse_secret},
    time::UnixMs,
    verify::Verified,
};

/// What every API key begins with; no token does.
pub const API_KEY_PREFIX: &str = "bp_";
const ID_CHARS: usize = 12;
/// Nobody reads the expiry of a key that has none.
const NEVER: i64 = i64::MAX / 1000;

/// An API key as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// The part that is no secret, 12 characters.
    pub id: String,
    /// SHA-256 of the secret part.
    pub digest: [u8; 32],
    /// Who it acts for.
    pub subject: String,
    /// What its owner is.
    pub roles: Names,
    /// What it may be used for.
    pub scopes: Names,
    /// From when on it is good no more, if ever.
    pub expires_at: Option<UnixMs>,
    /// Since when it is good no more, because somebody said so.
    pub revoked_at: Option<UnixMs>,
}

/// A key that was just made.
#[derive(Debug)]
pub struct NewApiKey {
    /// What its owner gets to see once.
    pub text: SecretString,
    /// What the row needs.
    pub id: String,
    /// What the row needs.
    pub digest: [u8; 32],
}

/// Why an API key is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// It is not spelled like one.
    #[error("the API key is misspelled: it has the wrong length, character or checksum")]
    Malformed,
    /// There is no such key, or its secret is another.
    #[error("the API key is not known")]
    Unknown,
    /// Its time is over.
    #[error("the API key has expired")]
    Expired,
    /// It was revoked.
    #[error("the API key was revoked")]
    Revoked,
}

/// Looks API keys up.
pub trait FindApiKey: Send + Sync {
    /// Returns the row of the key `id`, with the roles that its owner has now; nothing when the key or its owner is
    /// gone or locked.
    fn find_api_key<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<StoredApiKey>, FindApiKeyError>>;

    /// Hears that the key `id` was used at `at`: with its secret, and not each time. It must not wait.
    fn note_used(&self, id: &str, at: UnixMs);
}

/// An API key could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the API key could not be looked up")]
pub struct FindApiKeyError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Makes a key.
///
/// # Errors
/// When there is no randomness.
pub fn create_api_key(random: &SystemRandom) -> Result<NewApiKey, NoRandomness> {
    let id = create_id(ID_CHARS, random)?;
    let text = create_secret(&format!("{API_KEY_PREFIX}{id}_"), random)?;
    let digest = parse_api_key(text.expose_secret()).expect("a key that was just made is spelled right").digest;
    Ok(NewApiKey { text, id, digest })
}

/// A key as a caller presents it: its id, and the digest of its secret.
pub(crate) struct PresentedApiKey<'a> {
    id: &'a str,
    digest: [u8; 32],
}

impl PresentedApiKey<'_> {
    pub(crate) fn id(&self) -> &str {
        self.id
    }
}

/// Takes a key apart.
pub(crate) fn parse_api_key(text: &str) -> Result<PresentedApiKey<'_>, ApiKeyError> {
    let parse = || {
        let (id, _secret) = text.strip_prefix(API_KEY_PREFIX)?.split_once('_')?;
        let prefix = text.get(..API_KEY_PREFIX.len() + id.len() + 1)?;
        let secret = parse_secret(text, prefix)?;
        let digest = digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().try_into().ok()?;
        (id.len() == ID_CHARS && is_base62(id)).then_some(PresentedApiKey { id, digest })
    };
    parse().ok_or(ApiKeyError::Malformed)
}

impl StoredApiKey {
    /// Checks that a presented key is this one, and good at `now`.
    pub(crate) fn verify(&self, presented: &PresentedApiKey<'_>, now: UnixMs) -> Result<Verified, ApiKeyError> {
        let is_same = self.id == presented.id && bool::from(self.digest.ct_eq(&presented.digest));
        if !is_same {
            return Err(ApiKeyError::Unknown);
        }
        if self.revoked_at.is_some() {
            return Err(ApiKeyError::Revoked);
        }
        if self.expires_at.is_some_and(|expires| expires <= now) {
            return Err(ApiKeyError::Expired);
        }
        let principal = Principal::new(PrincipalParts {
            subject: self.subject.as_str().into(),
            kind: PrincipalKind::ApiKey,
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            session: None,
            claims: json!({ "scope": self.scopes.to_scope() }).to_string().into(),
        });
        let expires = self.expires_at.map_or(NEVER, UnixMs::seconds);
        Ok(Verified { principal: Arc::new(principal), issued: now.seconds(), expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn made() -> (String, StoredApiKey) {
        let NewApiKey { text, id, digest } = create_api_key(&SystemRandom::new()).expect("a key");
        let (roles, scopes) = (Names::new(["clerk"]).expect("a name"), Names::new(["orders:read"]).expect("a name"));
        let stored =
            StoredApiKey { id, digest, subject: "u1".into(), roles, scopes, expires_at: None, revoked_at: None };
        (text.expose_secret().to_owned(), stored)
    }

    fn verify(text: &str, stored: &StoredApiKey) -> Result<Verified, ApiKeyError> {
        stored.verify(&parse_api_key(text)?, NOW)
    }

    #[test]
    fn a_key_acts_for_its_owner_within_its_scopes() {
        let (text, stored) = made();
        assert_eq!(text.len(), 3 + 12 + 1 + 43 + 6);
        let principal = verify(&text, &stored).expect("a principal").principal;
        assert_eq!((principal.subject(), principal.kind()), ("u1", PrincipalKind::ApiKey));
        assert_eq!((principal.roles(), principal.scopes()), (&stored.roles, &stored.scopes));
        assert_eq!(principal.claims(), r#"{"scope":"orders:read"}"#);
    }

    #[test]
    fn the_row_holds_no_secret() {
        let (text, stored) = made();
        let secret = &text[16..59];
        assert!(!format!("{stored:?}").contains(secret));
        assert_eq!(stored.digest.as_slice(), digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    }

    #[test]
    fn another_secret_under_the_same_id_is_not_known() {
        let (text, stored) = made();
        let other = create_secret(&text[..16], &SystemRandom::new()).expect("a secret");
        assert_eq!(verify(other.expose_secret(), &stored).err(), Some(ApiKeyError::Unknown));
        let (_, another) = made();
        assert_eq!(verify(&text, &another).err(), Some(ApiKeyError::Unknown));
    }

    #[test]
    fn a_key_ends() {
        let (text, stored) = made();
        let ends = |at: i64| StoredApiKey { expires_at: Some(UnixMs(at)), ..stored.clone() };
        assert!(verify(&text, &ends(NOW.0 + 1)).is_ok());
        assert_eq!(verify(&text, &ends(NOW.0)).err(), Some(ApiKeyError::Expired));
        let revoked = StoredApiKey { revoked_at: Some(NOW), ..stored };
        assert_eq!(verify(&text, &revoked).err(), Some(ApiKeyError::Revoked));
    }

    #[test]
    fn a_misspelled_key_is_refused_without_a_look_at_any_row() {
        let (text, _) = made();
        for wrong in
            ["", "bp_", "bp__", "bp_a_b", &text[1..], &text[..64], &format!("{text}0"), &text.replace('_', "-")]
        {
            assert_eq!(parse_api_key(wrong).err(), Some(ApiKeyError::Malformed), "{wrong}");
        }
        let mut typo = text.clone().into_bytes();
        typo[20] = if typo[20] == b'x' { b'y' } else { b'x' };
        assert!(parse_api_key(std::str::from_utf8(&typo).expect("text")).is_err());
    }
}
