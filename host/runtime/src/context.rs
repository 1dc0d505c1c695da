//! What the host knows about one call: set when the call starts, gone when it ends.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use crate::keyspace::Keyspace;

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
#[derive(Clone)]
pub struct CallContext {
    /// Under which the call appears in logs.
    pub request_id: String,
    /// `None` when nobody signed in.
    pub principal: Option<Arc<Principal>>,
    /// W3C `traceparent`, when the client sent a valid one.
    pub trace_parent: Option<String>,
    /// When the host ends the call.
    pub deadline: Instant,
    /// The plugin's state; `None` where the route uses none.
    pub keyspace: Option<Arc<dyn Keyspace>>,
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallContext({})", self.request_id)
    }
}
