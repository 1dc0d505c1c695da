//! What generated code calls and nobody else: the two exports, and the pieces that an attribute cannot write
//! as plainly as a function can.

use serde::de::DeserializeOwned;

pub use crate::bindings::http::export_http;
pub use crate::bindings::lifecycle::export_lifecycle;
use crate::bindings::{http, lifecycle};
pub use crate::config::field;
use crate::{Call, Plugin, Problem, Request, Response, Result};

type WireProblem = http::backplane::plugin::types::Problem;

impl<P: Plugin> http::exports::backplane::plugin::http_handler::Guest for P {
    fn handle(request: Request) -> Result<Response, WireProblem> {
        let outcome = P::handle(request).map_err(Problem::report);
        flush_stdio();
        outcome
    }
}

impl<P: Plugin> lifecycle::exports::backplane::plugin::lifecycle::Guest for P {
    fn init() -> Result<(), WireProblem> {
        let outcome = P::init().map_err(Problem::report);
        flush_stdio();
        outcome
    }
}

/// Writes what the call printed without ending the line.
fn flush_stdio() {
    #[cfg(target_arch = "wasm32")]
    crate::stdio::flush();
}

/// Reads the argument that `#[header("name")]` marks.
pub fn header<T: DeserializeOwned>(call: &Call, name: &str) -> Result<T> {
    crate::extract::header(call, name)
}

/// Returns the outcome of the function that `#[init]` marks.
pub fn start<E: Into<Problem>>(outcome: Result<(), E>) -> Result<()> {
    outcome.map_err(Into::into)
}

/// Answers a route number that this plugin does not have: host and plugin disagree about the manifest.
pub fn unknown_route(route: u32) -> Problem {
    Problem::new(500, "internal", format!("route {route} is not in the plugin's manifest"))
}
