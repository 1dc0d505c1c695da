//! An outside issuer, as the operator configured it.
//!
//! An [`ExternalIssuer`] that exists is complete: it has an address, at least one audience and one algorithm. It knows
//! no keys.

use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::rules::ClaimRule;
use crate::{claims::Claims, names::Names};

/// How long a token of an outside issuer can be good, unless the operator allows less.
const LIFETIME_MAX: Duration = Duration::from_hours(24);

/// An algorithm that a token of an outside issuer may be signed with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExternalAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519, named `EdDSA` or `Ed25519`.
    Ed25519,
    /// RSA PKCS #1 v1.5 with SHA-256, 2048 to 8192 bits.
    Rs256,
    /// RSA PSS with SHA-256, 2048 to 8192 bits.
    Ps256,
}

impl ExternalAlgorithm {
    /// Every algorithm that can be allowed.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Ed25519, Self::Rs256, Self::Ps256];

    /// Returns the algorithm of that name in a header or a key, exactly as it is registered.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }

    pub(super) fn verifies_with(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::Ed25519 => Algorithm::EdDSA,
            Self::Rs256 => Algorithm::RS256,
            Self::Ps256 => Algorithm::PS256,
        }
    }
}

/// Which `typ` a token of an issuer may have (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AcceptedTypes {
    /// Access tokens only: `at+jwt` (RFC 9068 §4).
    #[default]
    AccessToken,
    /// Also `JWT` or none, for issuers that do not mark their access tokens. An ID token of the same issuer for the
    /// same audience would pass: the audience must be one of this host's alone.
    Unmarked,
}

/// Why an issuer cannot be configured so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// An issuer is an https address without `|` and white space, as its metadata spells it.
    #[error("issuer `{0}` is not an https address without query and fragment")]
    Issuer(String),
    /// A token must be meant for somebody.
    #[error("issuer `{0}` needs at least one audience")]
    NoAudience(String),
    /// A signature must be allowed to be of some kind.
    #[error("issuer `{0}` needs at least one algorithm")]
    NoAlgorithm(String),
}

/// An issuer whose tokens are believed.
#[derive(Debug, Clone)]
pub struct ExternalIssuer {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<ExternalAlgorithm>,
    types: AcceptedTypes,
    rules: Vec<ClaimRule>,
    lifetime_max: Duration,
}

impl ExternalIssuer {
    /// Believes `issuer`, as its metadata spells it, about tokens for one of `audiences` signed with one of
    /// `algorithms`. Its callers have no role and no scope before [`with_rules`](Self::with_rules).
    ///
    /// # Errors
    /// When a part is missing, or the issuer is no https address (RFC 8414 §2; http is for loopback addresses only).
    pub fn new(
        issuer: String,
        audiences: Vec<String>,
        algorithms: Vec<ExternalAlgorithm>,
    ) -> Result<Self, InvalidIssuer> {
        if !is_issuer(&issuer) {
            return Err(InvalidIssuer::Issuer(issuer));
        }
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(InvalidIssuer::NoAudience(issuer));
        }
        if algorithms.is_empty() {
            return Err(InvalidIssuer::NoAlgorithm(issuer));
        }
        let (types, rules) = (AcceptedTypes::default(), Vec::new());
        Ok(Self { issuer, audiences, algorithms, types, rules, lifetime_max: LIFETIME_MAX })
    }

    /// Says which `typ` a token may have.
    #[must_use]
    pub fn with_types(self, types: AcceptedTypes) -> Self {
        Self { types, ..self }
    }

    /// Says which roles and scopes its callers have.
    #[must_use]
    pub fn with_rules(self, rules: Vec<ClaimRule>) -> Self {
        Self { rules, ..self }
    }

    /// Refuses tokens that are good for longer; 24 hours is the default and the most.
    #[must_use]
    pub fn with_lifetime_max(self, lifetime_max: Duration) -> Self {
        Self { lifetime_max: lifetime_max.min(LIFETIME_MAX), ..self }
    }

    /// Returns the issuer's address, which is its name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns how long a token can be good.
    pub fn lifetime_max(&self) -> Duration {
        self.lifetime_max
    }

    pub(super) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    pub(super) fn algorithms(&self) -> &[ExternalAlgorithm] {
        &self.algorithms
    }

    /// Compares without regard to case, and with or without `application/` (RFC 7515 §4.1.9).
    pub(super) fn accepts_type(&self, given: Option<&str>) -> bool {
        let given = given.map(str::to_ascii_lowercase);
        match given.as_deref().map(|given| given.strip_prefix("application/").unwrap_or(given)) {
            Some("at+jwt") => true,
            None | Some("jwt") => self.types == AcceptedTypes::Unmarked,
            Some(_) => false,
        }
    }

    pub(super) fn map(&self, claims: &Claims) -> (Names, Names) {
        ClaimRule::map(&self.rules, claims)
    }
}

fn is_issuer(issuer: &str) -> bool {
    let rest = match issuer.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if is_loopback(rest) => rest,
        _ => return false,
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"|?#@\\\"<>".contains(&byte);
    issuer.len() <= 255 && !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_plain)
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address() {
        for good in
            ["https://id.example", "https://id.example:8443/realms/a/", "http://127.0.0.1:9000", "http://[::1]:9/x"]
        {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "",
            "id.example",
            "http://id.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@id.example",
            "https://",
            "https:///x",
            "https://a|b",
            "https://a b",
            "https://a?b",
            "https://a#b",
            "ftp://a",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    #[test]
    fn needs_an_audience_and_an_algorithm() {
        let new = |audiences: &[&str], algorithms| {
            let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
            ExternalIssuer::new("https://id.example".to_owned(), audiences, algorithms)
        };
        assert!(matches!(new(&[], vec![ExternalAlgorithm::Es256]), Err(InvalidIssuer::NoAudience(_))));
        assert!(matches!(new(&[""], vec![ExternalAlgorithm::Es256]), Err(InvalidIssuer::NoAudience(_))));
        assert!(matches!(new(&["a"], vec![]), Err(InvalidIssuer::NoAlgorithm(_))));
        assert!(new(&["a"], vec![ExternalAlgorithm::Es256]).is_ok());
    }

    #[test]
    fn takes_marked_tokens_only_unless_told_otherwise() {
        let strict = ExternalIssuer::new("https://id.example".into(), vec!["a".into()], vec![ExternalAlgorithm::Es256])
            .expect("valid");
        let lax = strict.clone().with_types(AcceptedTypes::Unmarked);
        for marked in ["at+jwt", "AT+JWT", "application/at+jwt"] {
            assert!(strict.accepts_type(Some(marked)) && lax.accepts_type(Some(marked)), "{marked}");
        }
        for unmarked in [None, Some("JWT"), Some("jwt")] {
            assert!(!strict.accepts_type(unmarked) && lax.accepts_type(unmarked), "{unmarked:?}");
        }
        for other in ["", "dpop+jwt", "logout+jwt", "secevent+jwt", "application/application/at+jwt"] {
            assert!(!strict.accepts_type(Some(other)) && !lax.accepts_type(Some(other)), "{other}");
        }
    }

    #[test]
    fn no_secret_and_no_unsecured_algorithm_can_be_allowed() {
        for name in ["none", "HS256", "HS512", "es256", "ES256K", "RS1", "RSA-OAEP", ""] {
            assert_eq!(ExternalAlgorithm::parse(name), None, "{name}");
        }
    }
}
