//! Who calls, under which id, and how much time is left.

use std::time::Duration;

use serde::de::DeserializeOwned;

pub use crate::bindings::http::backplane::plugin::context::Principal;
use crate::extract::{Call, Extract, ExtractOptional};
use crate::{Problem, Result, host};

/// The call that is running.
///
/// It holds nothing: every method asks the host, and costs a fraction of a microsecond. Take it as an argument,
/// or name it where an argument would be far away: `Context.remaining()`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context;

impl Context {
    /// Returns the caller, or `None` when the route is public and nobody signed in.
    pub fn caller(self) -> Option<Principal> {
        host::context::caller()
    }

    /// Returns the id under which this call appears in the host's logs and in the `x-request-id` header.
    pub fn request_id(self) -> String {
        host::context::request_id()
    }

    /// Returns the W3C `traceparent` of the call, when the client sent a valid one.
    pub fn trace_parent(self) -> Option<String> {
        host::context::trace_parent()
    }

    /// Returns the time left before the host ends this call, in whole milliseconds.
    pub fn remaining(self) -> Duration {
        Duration::from_millis(host::context::remaining_ms().into())
    }
}

impl Extract for Context {
    fn extract(_: &mut Call) -> Result<Self> {
        Ok(Context)
    }
}

impl Principal {
    /// Makes a principal without further claims, for tests.
    pub fn new<'a>(subject: impl Into<String>, roles: impl IntoIterator<Item = &'a str>) -> Self {
        let mut roles: Vec<String> = roles.into_iter().map(String::from).collect();
        roles.sort_unstable();
        roles.dedup();
        Self { subject: subject.into(), roles, claims: "{}".into() }
    }

    /// Returns whether the caller holds a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Reads the further claims into a type that names the expected ones.
    ///
    /// # Errors
    /// A problem of status 500 when the claims do not fit the type.
    pub fn parse_claims<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.claims)?)
    }
}

/// The verified caller; the problem `unauthenticated` of status 401 when there is none.
impl Extract for Principal {
    fn extract(call: &mut Call) -> Result<Self> {
        Self::extract_optional(call)?
            .ok_or_else(|| Problem::new(401, "unauthenticated", "this needs a signed-in caller"))
    }
}

impl ExtractOptional for Principal {
    fn extract_optional(_: &mut Call) -> Result<Option<Self>> {
        Ok(Context.caller())
    }
}
