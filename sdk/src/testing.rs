//! The host's place, taken by a few values of the running thread.
//!
//! Everything here belongs to the thread, and so to the test that runs on it: tests do not see each other.
//! [`get`], [`post`] and their like make a request that goes through the whole plugin, and the functions
//! below set what the host would know. A handler can just as well be called as the function that it is.
//!
//! [`kv`](crate::kv) works too, on keys in memory. A request that is sent is one transaction, with everything that this
//! means: see [`TestRequest::send`] and [`TestRequest::send_overtaken`]. What the test itself reads and writes, and a
//! handler that it calls as a function, has no transaction around it: every write stands at once.
//!
//! [`call`] makes a gRPC call, which goes through the plugin in the same way.
//!
//! [`event`] makes an event that goes to the plugin's handlers with its retries, as on a host; [`published`] is what
//! handlers have published, and [`run_schedule`] runs what otherwise the clock does.
//!
//! ```
//! #[backplane_sdk::plugin]
//! mod orders {
//!     use backplane_sdk::prelude::*;
//!
//!     #[delete("/{id}", roles("clerk"))]
//!     fn delete_order(caller: Principal, Path(id): Path<u64>) -> NoContent {
//!         log::info!(order = id, "deleted by {}", caller.subject);
//!         NoContent
//!     }
//! }
//!
//! use backplane_sdk::testing;
//!
//! assert_eq!(testing::delete("/7").send::<orders::Plugin>().status(), 401);
//! assert_eq!(testing::delete("/7").signed_in("ada", ["clerk"]).send::<orders::Plugin>().status(), 204);
//! assert_eq!(testing::take_logs()[0].message, "deleted by ada");
//! ```

mod call;
mod caller;
mod delivery;
pub(crate) mod double;
mod event;
pub(crate) mod keyspace;
mod manifest;
mod request;
mod schedule;

pub use call::{TestCall, call, call_bytes};
pub use delivery::{Attempt, DeadLetter, Outcome, dead_letters, deliver};
pub use double::{
    Line, set_caller, set_config, set_log_level, set_mount, set_remaining, set_request_id, set_trace_parent, take_logs,
};
pub use event::{TestEvent, event};
pub use keyspace::{Published, advance_clock, published, set_state_available, set_state_quota};
pub use request::{TestRequest, TestResponse, delete, get, patch, post, put, request};
pub use schedule::run_schedule;

use crate::{Plugin, Result};

/// Runs the plugin's `#[init]` function, as every new instance does.
///
/// # Errors
/// The problem that the function ended with.
pub fn init<P: Plugin>() -> Result<()> {
    double::with_plugin(&manifest::Manifest::of::<P>(), || keyspace::run_without(P::init))
}
