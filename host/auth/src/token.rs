//! Access tokens of this host: RFC 9068, signed with ES256.
//!
//! A token says who somebody is for ten minutes; what was granted longer lives in the session behind it. It is signed
//! with the active key of the ring at that moment. It does not know whether the subject exists.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header};
use ring::rand::SystemRandom;
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    claims::is_text,
    key_ring::KeyRing,
    names::Names,
    random::{NoRandomness, random_bytes},
    revocations::Revocations,
    time::UnixMs,
    verify::TOKEN_BYTES_MAX,
};

/// How long a token is good by default.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(10);
/// How long a token can be good: whatever was revoked longer ago needs no remembering.
pub const ACCESS_TOKEN_LIFETIME_MAX: Duration = Duration::from_hours(1);
/// The media type of an access token, shortened as RFC 9068 §2.1 recommends.
pub(crate) const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// Bytes of a token id: enough that no two are ever alike.
const ID_BYTES: usize = 16;

/// What this host's own tokens are named by, the same where they are issued and where they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenNames {
    /// `iss`: the address of this host, as its clients know it.
    pub issuer: String,
    /// `aud`: what the tokens are for, and nothing else's tokens are.
    pub audience: String,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct AccessGrant {
    /// Who is signed in: 1 to 255 bytes without `|` and control characters.
    pub subject: String,
    /// The session, which is the family of its refresh tokens.
    pub session: String,
    /// The application that it was issued to (RFC 9068 §2.2).
    pub client_id: String,
    /// What the subject is.
    pub roles: Names,
    /// What the token may be used for.
    pub scopes: Names,
}

/// A signed token.
#[derive(Debug)]
pub struct AccessToken {
    /// What goes to the client and nowhere else.
    pub token: SecretString,
    /// Its id, for the audit log.
    pub id: String,
    /// From when on it is good no more.
    pub expires_at: UnixMs,
}

/// Why no token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// No key is active: the rows were not published yet.
    #[error("no signing key is active")]
    NoActiveKey,
    /// The subject, the session or the client cannot stand in a token.
    #[error("`{0}` cannot stand in a token")]
    InvalidGrant(&'static str),
    /// The roles and scopes are so many that nobody would accept the token.
    #[error("the token would be longer than {TOKEN_BYTES_MAX} bytes: give fewer roles and scopes")]
    TooLong,
    /// The token was not signed.
    #[error("the token could not be signed")]
    Sign,
    /// A token needs an id.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Issues access tokens.
#[derive(Debug)]
pub struct TokenIssuer {
    ring: Arc<KeyRing>,
    revocations: Arc<Revocations>,
    random: SystemRandom,
    names: TokenNames,
    lifetime: Duration,
}

/// The claims of RFC 9068 §2.2, and `sid` of OpenID Connect Front-Channel Logout §3.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    client_id: &'a str,
    exp: i64,
    iat: i64,
    jti: &'a str,
    sid: &'a str,
    roles: Vec<&'a str>,
    scope: String,
}

impl TokenIssuer {
    /// Issues tokens with `names`, as the [`Authenticator`](crate::Authenticator) expects them.
    ///
    /// A lifetime of more than [`ACCESS_TOKEN_LIFETIME_MAX`] is cut to it.
    pub fn new(
        ring: Arc<KeyRing>,
        revocations: Arc<Revocations>,
        random: SystemRandom,
        names: TokenNames,
        lifetime: Duration,
    ) -> Self {
        Self { ring, revocations, random, names, lifetime: lifetime.min(ACCESS_TOKEN_LIFETIME_MAX) }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// When no key is active, or the grant cannot stand in a token that this host would accept.
    pub fn issue(&self, grant: &AccessGrant, now: UnixMs) -> Result<AccessToken, IssueError> {
        check(grant)?;
        let id = URL_SAFE_NO_PAD.encode(random_bytes::<ID_BYTES>(&self.random)?);
        // A sign-in in the very second in which everything earlier was revoked is later than that.
        let issued = now.seconds().max(self.revocations.earliest_issued(&grant.subject));
        let expires = issued.saturating_add(self.lifetime.as_secs().cast_signed());
        let claims = Claims {
            iss: &self.names.issuer,
            aud: &self.names.audience,
            sub: &grant.subject,
            client_id: &grant.client_id,
            exp: expires,
            iat: issued,
            jti: &id,
            sid: &grant.session,
            roles: grant.roles.iter().collect(),
            scope: grant.scopes.to_scope(),
        };
        let token = self.ring.with_active_key(|key| {
            let mut header = Header::new(Algorithm::ES256);
            header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
            header.kid = Some(key.kid.clone());
            jsonwebtoken::encode(&header, &claims, &key.encoding)
        });
        let token = token.ok_or(IssueError::NoActiveKey)?.map_err(|_failed| IssueError::Sign)?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(IssueError::TooLong);
        }
        Ok(AccessToken { token: token.into(), id, expires_at: UnixMs::from_seconds(expires) })
    }
}

fn check(grant: &AccessGrant) -> Result<(), IssueError> {
    if !is_local_subject(&grant.subject) {
        return Err(IssueError::InvalidGrant("subject"));
    }
    if !is_text(&grant.session) {
        return Err(IssueError::InvalidGrant("session"));
    }
    if !is_text(&grant.client_id) {
        return Err(IssueError::InvalidGrant("client_id"));
    }
    Ok(())
}

/// Returns whether `subject` can be somebody of this host: a `|` stands in the identities of other issuers only.
pub(crate) fn is_local_subject(subject: &str) -> bool {
    is_text(subject) && !subject.contains('|')
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::Value;

    use super::*;
    use crate::{
        revocations::Revocation,
        testing::{Host, NOW, grant},
    };

    fn part(token: &AccessToken, at: usize) -> Value {
        let part = token.token.expose_secret().split('.').nth(at).expect("a part");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    }

    #[test]
    fn writes_the_claims_of_the_standard() {
        let host = Host::new();
        let token = host.issuer.issue(&grant(), NOW).expect("a token");
        let header = part(&token, 0);
        assert_eq!(header, serde_json::json!({"alg": "ES256", "typ": "at+jwt", "kid": host.ring.active_kid()}));
        let now = NOW.seconds();
        let expected = serde_json::json!({
            "iss": "https://host.example", "aud": "backplane", "sub": "u1", "client_id": "console", "sid": "s1",
            "iat": now, "exp": now + 600, "jti": token.id, "roles": ["admin", "clerk"],
            "scope": "orders:read orders:write",
        });
        assert_eq!(part(&token, 1), expected);
        assert_eq!(token.expires_at.seconds(), now + 600);
    }

    #[test]
    fn no_two_tokens_have_one_id() {
        let host = Host::new();
        let ids = [(); 2].map(|()| host.issuer.issue(&grant(), NOW).expect("a token").id);
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn refuses_what_no_verifier_would_accept() {
        let host = Host::new();
        for subject in ["", "a|b", "a\nb", "a\0", &"x".repeat(256)] {
            let refused = host.issuer.issue(&AccessGrant { subject: subject.into(), ..grant() }, NOW);
            assert_eq!(refused.err(), Some(IssueError::InvalidGrant("subject")), "{subject:?}");
        }
        let scopes = Names::new((0..200).map(|number| format!("{number:060}"))).expect("names");
        assert_eq!(host.issuer.issue(&AccessGrant { scopes, ..grant() }, NOW).err(), Some(IssueError::TooLong));
    }

    #[test]
    fn needs_an_active_key() {
        let host = Host::new();
        host.ring.publish(&[]).expect("nothing to open");
        assert_eq!(host.issuer.issue(&grant(), NOW).err(), Some(IssueError::NoActiveKey));
    }

    #[test]
    fn a_token_issued_right_after_a_revocation_is_not_revoked_by_it() {
        let host = Host::new();
        let now = UnixMs(NOW.0 + 500);
        host.revocations.apply([Revocation::of_subject("u1", now)], now);
        let token = host.issuer.issue(&grant(), UnixMs(now.0 + 1)).expect("a token");
        assert_eq!(part(&token, 1)["iat"], NOW.seconds() + 1);
    }
}
