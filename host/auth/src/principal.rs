//! Who calls, verified.
//!
//! A [`Principal`] exists only after a credential was checked, and holds nothing that could be used as one. It is what
//! a guest gets to see. It does not know what it may do: that is [`Access`](crate::Access).

use std::sync::Arc;

use crate::names::Names;

/// What a principal was known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// An access token of this host, from a sign-in.
    User,
    /// An API key.
    ApiKey,
    /// A token of a configured outside issuer.
    External,
}

impl PrincipalKind {
    /// Returns the kind as logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api-key",
            Self::External => "external",
        }
    }
}

/// What a [`Principal`] is made of.
#[derive(Debug, Clone)]
pub struct PrincipalParts {
    /// Unique among all principals; see [`Principal::subject`].
    pub subject: Arc<str>,
    /// What the caller was known by.
    pub kind: PrincipalKind,
    /// What the caller is.
    pub roles: Names,
    /// What the credential may be used for.
    pub scopes: Names,
    /// The session that an access token belongs to.
    pub session: Option<Arc<str>>,
    /// The verified claims as a JSON object, of which `scope` is `scopes`.
    pub claims: Box<str>,
}

/// A verified caller.
#[derive(Debug, Clone)]
pub struct Principal(PrincipalParts);

impl Principal {
    /// Makes a principal of somebody whose credential was checked.
    pub fn new(parts: PrincipalParts) -> Self {
        Self(parts)
    }

    /// Returns the identity: a user's id, or `<issuer>|<subject>` for a token of an outside issuer. An API key has the
    /// identity of its owner. No local identity has a `|`, so the three never meet (RFC 7519 §4.1.2, OpenID Connect
    /// Core §5.7: only issuer and subject together identify).
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns what the caller was known by.
    pub fn kind(&self) -> PrincipalKind {
        self.0.kind
    }

    /// Returns what the caller is.
    pub fn roles(&self) -> &Names {
        &self.0.roles
    }

    /// Returns what the credential may be used for.
    pub fn scopes(&self) -> &Names {
        &self.0.scopes
    }

    /// Returns the session that the access token belongs to, when there is one.
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// Returns the verified claims as a JSON object. Its `scope` is [`scopes`](Self::scopes) as one text, whatever the
    /// caller was known by and whatever an outside issuer says; an API key has nothing else.
    pub fn claims(&self) -> &str {
        &self.0.claims
    }
}
