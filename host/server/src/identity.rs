//! Who calls: the one door for credentials, and everything behind it.
//!
//! [`Identity`] joins what `backplane-auth` knows about credentials with what the store keeps. A surface asks
//! [`authenticate`](Identity::authenticate) and then [`challenge::require`]; the endpoints of accounts, keys and
//! sessions use the rest.
//!
//! - What is revoked takes effect at once when this process did it, and within a second when another one did: [`poll`].
//! - What changes an account, a key or a session is written with its entry in the audit trail: [`trail`].
//!
//! It does not know routes: what a caller may do is decided where the route is known.

pub mod accounts;
pub mod challenge;
mod failure;
mod keys;
pub mod poll;
mod setup;
mod sign_in;
mod start;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod trail;

use std::{sync::Arc, time::Duration};

use backplane_auth::{
    Authenticator, PasswordHashing, PasswordRules, Principal, RefreshPolicy, Revocations, SignInThrottle, SystemRandom,
    TokenIssuer, UnixMs,
};
use backplane_store::{Connection, Store, StoreError};
use http::{HeaderMap, header::AUTHORIZATION};
use tokio::sync::Mutex;

pub use self::{
    failure::{create_user_failed, keys_failed, store_failed, unknown_user, update_user_failed},
    keys::KeysError,
    setup::{FirstAdministrator, SETUP_LIFETIME},
    sign_in::{Credentials, Tokens, expose},
    start::{MASTER_KEY_FILE, StartIdentityError, UnreadableKeys, load_master_key, master_key_file},
};
use self::{keys::SigningKeys, setup::Setup};
use crate::{adapters::Reading, clock::Clock, problem::ApiResult};

/// The role that may use the management API.
pub const ADMIN_ROLE: &str = "admin";

/// Everything that knows who calls.
pub struct Identity {
    /// Turns a credential into a principal.
    authenticator: Authenticator,
    /// What access tokens are signed with.
    keys: SigningKeys,
    /// Makes access tokens.
    issuer: TokenIssuer,
    /// How long an access token is good.
    access_token_ttl: Duration,
    /// How long sessions last.
    refresh_policy: RefreshPolicy,
    /// Hashes and compares passwords, a few at a time.
    passwords: PasswordHashing,
    /// Which passwords may be chosen.
    password_rules: PasswordRules,
    /// Slows guesses down.
    throttle: SignInThrottle,
    /// What is believed no more.
    revocations: Arc<Revocations>,
    /// The last revocation in the store that `revocations` knows. Held while more are read.
    revocations_seen: Mutex<i64>,
    /// Whether somebody may still make the first administrator.
    setup: Setup,
    /// For sessions and keys.
    random: SystemRandom,
    /// Accounts, sessions, keys and the audit trail.
    store: Arc<Store>,
    /// Reads them beside the requests.
    reading: Reading,
    /// What time a change is of.
    clock: Clock,
}

impl Identity {
    /// Returns who sent a request with these headers, at `now`; nobody when it carries no credential, which costs
    /// nothing.
    ///
    /// # Errors
    /// `invalid_request` when there are several credentials or one that is none, `invalid_token` when it is not
    /// believed, `identity_unavailable` when it cannot be checked; with `www-authenticate` where the client can act.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing half done.
    pub async fn authenticate(&self, headers: &HeaderMap, now: UnixMs) -> ApiResult<Option<Arc<Principal>>> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let Some(authorization) = given.next() else { return Ok(None) };
        if given.next().is_some() {
            return Err(challenge::malformed("the request has several `Authorization` headers: send one"));
        }
        let principal = self.authenticator.authenticate(authorization.as_bytes(), now).await;
        principal.map(Some).map_err(challenge::refused)
    }
    /// Runs a query of accounts, keys or the audit trail on one snapshot.
    ///
    /// # Errors
    /// As `query`, and when the database cannot be read.
    ///
    /// # Cancel safety
    /// A query that was begun runs to its end.
    pub async fn read<T, E>(&self, query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.reading.read(query).await
    }
}
