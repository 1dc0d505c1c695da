//! What `#[plugin]` makes of a module.

use crate::{Delivery, GrpcCall, Request, Response, Result, Run, export, grpc};

/// A plugin as one type, written by [`#[plugin]`](macro@crate::plugin) and named `Plugin` inside the module.
///
/// Its functions are called by the host, and by [`testing`](crate::testing) in its place. Nobody else needs them.
pub trait Plugin {
    /// The manifest, as the host finds it in the component: JSON, one line.
    const MANIFEST: &'static str;

    /// Answers one request, whose `route` is a position in the manifest's `routes`.
    ///
    /// # Errors
    /// The problem that an extractor or the handler ended with.
    fn handle(request: Request) -> Result<Response>;

    /// Handles one event, whose `subscription` is a position in the manifest's `subscriptions`.
    ///
    /// # Errors
    /// The problem that an argument or the handler ended with.
    fn handle_event(event: Delivery) -> Result<()> {
        Err(export::unknown_subscription(event.subscription))
    }

    /// Runs a function by the clock. `schedule` of the run is a position in the manifest's `schedules`.
    ///
    /// # Errors
    /// The problem that an argument or the handler ended with.
    fn handle_schedule(run: Run) -> Result<()> {
        Err(export::unknown_schedule(run.schedule))
    }

    /// Answers one gRPC call, whose `method` is a position among all methods of the manifest's `grpc`.
    ///
    /// # Errors
    /// The status that the method ended with.
    fn handle_grpc(call: GrpcCall) -> grpc::Result<Vec<u8>> {
        Err(export::unknown_method(call.method))
    }

    /// Runs the function marked with `#[init]`, if there is one.
    ///
    /// # Errors
    /// The problem that the function ended with.
    fn init() -> Result<()> {
        Ok(())
    }
}
