//! Who calls, under which id, and how much time is left.

mod principal;

use std::time::Duration;

pub use principal::{Claims, Principal};

use crate::extract::{Call, Extract};
use crate::{Result, host};

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
