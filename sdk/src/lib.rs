//! What a Backplane plugin is written with.
//!
//! A plugin is a module with an attribute. Every function with a route attribute answers requests: its arguments
//! say what it needs of the request, its result becomes the response.
//!
//! ```
//! #[backplane_sdk::plugin]
//! mod greetings {
//!     use backplane_sdk::prelude::*;
//!
//!     /// Greets somebody by name.
//!     #[get("/{name}", public)]
//!     fn greet(Path(name): Path<String>) -> Text {
//!         Text(format!("Hello, {name}!"))
//!     }
//! }
//!
//! // A handler is an ordinary function, and a request can be sent through the whole plugin, without a host.
//! use backplane_sdk::testing;
//! let response = testing::get("/Ada").send::<greetings::Plugin>();
//! assert_eq!((response.status(), response.text()), (200, "Hello, Ada!"));
//! ```
//!
//! # Where to look
//! - [`plugin`] and the route attributes ([`get`], [`post`] and the others) declare what the plugin answers.
//! - [`extract`] lists what a handler may take, [`respond`] what it may return, [`Problem`] how it fails.
//! - [`kv`] is the plugin's own state, and part of the call's transaction.
//! - [`events`] publishes events as part of it, and [`on`] handles those of others; [`every`] and [`cron`] run by the clock.
//! - [`mod@grpc`] answers gRPC calls, with the attribute [`grpc`](macro@grpc).
//! - [`Principal`] is who calls, with roles, scopes and [`Claims`]; [`Context`] knows the call and how much time is left.
//! - [`mod@config`] is what the operator set, [`log`] writes to the operator's log.
//! - [`testing`] stands in for the host under `cargo test`.
//!
//! # Unsafe code
//! What the attributes generate exports functions from WebAssembly, and the compiler counts that as unsafe. It
//! is exempt because it comes out of a macro: a plugin may say `#![forbid(unsafe_code)]` and keep it.

#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod context;
mod dispatch;
pub mod events;
#[doc(hidden)]
pub mod export;
pub mod extract;
pub mod grpc;
mod host;
pub mod kv;
pub mod log;
pub mod prelude;
mod problem;
pub mod respond;
pub mod schedule;
#[cfg(any(target_arch = "wasm32", test))]
mod stdio;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod trigger;

pub use backplane_sdk_macros::{
    any, config, cron, delete, every, get, grpc, head, init, method, on, options, patch, plugin, post, put,
};
pub use bindings::event::exports::backplane::plugin::event_handler::Event as Delivery;
pub use bindings::grpc::exports::backplane::plugin::grpc_handler::Call as GrpcCall;
pub use bindings::http::exports::backplane::plugin::http_handler::{Request, Response};
pub use context::{Claims, Context, Principal};
pub use dispatch::Plugin;
pub use extract::{Call, Extract};
pub use problem::{OptionExt, Problem, Result};
pub use respond::IntoResponse;
pub use schedule::Run;
