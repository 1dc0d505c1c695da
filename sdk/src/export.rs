//! What generated code calls and nobody else: the exports, and the pieces that an attribute cannot write as plainly as a
//! function can.

use serde::de::DeserializeOwned;

pub use crate::bindings::event::export_event;
pub use crate::bindings::grpc::export_grpc;
pub use crate::bindings::http::export_http;
pub use crate::bindings::lifecycle::export_lifecycle;
pub use crate::bindings::schedule::export_schedule;
use crate::bindings::{event, grpc as grpc_bindings, http, lifecycle, schedule};
pub use crate::config::field;
use crate::grpc::prost::Message;
use crate::{Call, Delivery, GrpcCall, Plugin, Problem, Request, Response, Result, Run, grpc};

type WireProblem = http::backplane::plugin::types::Problem;
type WireStatus = grpc_bindings::exports::backplane::plugin::grpc_handler::Status;
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

impl<P: Plugin> grpc_bindings::exports::backplane::plugin::grpc_handler::Guest for P {
    fn handle(call: GrpcCall) -> Result<Vec<u8>, WireStatus> {
        let outcome = P::handle_grpc(call).map_err(grpc::Status::report);
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

/// Answers a number that is no method of this plugin: host and plugin disagree about the manifest.
pub fn unknown_method(method: u32) -> grpc::Status {
    grpc::Status::internal(format!("method {method} is not in the plugin's manifest"))
}

/// Answers a call with a method: reads the message, and writes the answer.
pub fn unary<T: Message + Default, U: Message>(
    call: GrpcCall,
    method: impl FnOnce(grpc::Request<T>) -> grpc::Result<U>,
) -> grpc::Result<Vec<u8>> {
    let GrpcCall { metadata, message, .. } = call;
    let message = T::decode(&*message).map_err(|error| {
        grpc::Status::invalid_argument(format!("the request is no message of this method: {error}"))
            .with_reason("invalid_request")
    })?;
    method(grpc::Request::with_metadata(message, metadata)).map(|answer| answer.encode_to_vec())
}

/// Says when the crate is compiled whether `#[grpc]` names the service of the trait, and each function's own method:
/// two names in each other's place would have the functions answer each other's calls.
pub const fn check_service(service: &str, methods: &[(&str, &str)], named: &str, functions: &[(&str, &str)]) {
    assert!(
        is_same(service, named),
        "`#[grpc]` names another service than its trait is of: write the service's full name as the `.proto` file has it"
    );
    let mut left = functions;
    while let [(function, method), rest @ ..] = left {
        assert!(
            contains(methods, function, method),
            "a function's method has another name in the `.proto` file: write `#[method(name = \"...\")]` on the function"
        );
        left = rest;
    }
}

const fn contains(methods: &[(&str, &str)], function: &str, method: &str) -> bool {
    let mut left = methods;
    while let [first, rest @ ..] = left {
        if is_same(first.0, function) && is_same(first.1, method) {
            return true;
        }
        left = rest;
    }
    false
}

const fn is_same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([a, rest_of_one @ ..], [b, rest_of_other @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest_of_one, rest_of_other);
    }
    one.is_empty() && other.is_empty()
}
