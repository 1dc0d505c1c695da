//! Who calls: the one door for credentials, as the server's surfaces use it.
//!
//! It does not know routes: what a caller may do is decided where the route is known, and a refusal is worded in
//! [`challenge`].

pub mod challenge;

use std::sync::Arc;

use backplane_auth::{Authenticator, Principal, UnixMs};
use http::{HeaderMap, header::AUTHORIZATION};

use crate::problem::ApiResult;

/// The role that may use the management API.
pub const ADMIN_ROLE: &str = "admin";

/// Everything that knows who calls.
pub struct Identity {
    /// Turns a credential into a principal.
    authenticator: Authenticator,
}

impl Identity {
    /// Believes what `authenticator` believes.
    pub fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }

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
}
