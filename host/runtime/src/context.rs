//! What the host knows about one call: set when the call starts, gone when it ends.

use std::sync::Arc;

use tokio::time::Instant;

/// Who calls, verified by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Stable identifier, unique in this host.
    pub subject: String,
    /// Roles held, sorted, without repeats.
    pub roles: Vec<String>,
    /// Further verified claims, one JSON object.
    pub claims: String,
}

/// The context of one call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Under which the call appears in logs.
    pub request_id: String,
    /// `None` when nobody signed in.
    pub principal: Option<Arc<Principal>>,
    /// W3C `traceparent`, when the client sent a valid one.
    pub trace_parent: Option<String>,
    /// When the host ends the call.
    pub deadline: Instant,
}
