//! What generated code calls and nobody else: the exports, and the pieces that an attribute cannot write as plainly as a
//! function can.

use serde::de::DeserializeOwned;

pub use crate::bindings::event::export_event;
pub use crate::bindings::http::export_http;
pub use crate::bindings::lifecycle::export_lifecycle;
pub use crate::bindings::schedule::export_schedule;
use crate::bindings::{event, http, lifecycle, schedule};
pub use crate::config::field;
use crate::{Call, Delivery, Plugin, Problem, Request, Response, Result, Run};

type WireProblem = http::backplane::plugin::types::Problem;
type WireFailure = event::exports::backplane::plugin::event_handler::Failure;

impl<P: Plugin> http::exports::backplane::plugin::http_handler::Guest for P {
    fn handle(request: Request) -> Result<Response, WireProblem> {
        let outcome = P::handle(request).map_err(Problem::report);
        flush_stdio();
        outcome
    }
}

impl<P: Plugin> event::exports::backplane::plugin::event_handler::Guest for P {
    fn handle(event: Delivery) -> Result<(), WireFailure> {
        let outcome = P::handle_event(event).map_err(Problem::report_event);
        flush_stdio();
        outcome
    }
}

impl<P: Plugin> schedule::exports::backplane::plugin::schedule_handler::Guest for P {
    fn handle(run: Run) -> Result<(), WireProblem> {
        let outcome = P::handle_schedule(run).map_err(Problem::report);
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

/// Returns the outcome of a function that answers nobody: of `#[init]`, `#[on]`, `#[every]` or `#[cron]`.
pub fn finish<E: Into<Problem>>(outcome: Result<(), E>) -> Result<()> {
    outcome.map_err(Into::into)
}

/// Answers a route number that this plugin does not have: host and plugin disagree about the manifest.
pub fn unknown_route(route: u32) -> Problem {
    Problem::new(500, "internal", format!("route {route} is not in the plugin's manifest"))
}

/// Answers a number that is no subscription of this plugin: host and plugin disagree about the manifest.
pub fn unknown_subscription(subscription: u32) -> Problem {
    Problem::new(500, "internal", format!("subscription {subscription} is not in the plugin's manifest"))
}

/// Answers a number that is no schedule of this plugin: host and plugin disagree about the manifest.
pub fn unknown_schedule(schedule: u32) -> Problem {
    Problem::new(500, "internal", format!("schedule {schedule} is not in the plugin's manifest"))
}
