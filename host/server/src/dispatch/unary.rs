//! One call of a plugin's method, whatever it came in: gRPC or JSON.

use backplane_auth::Principal;
use backplane_runtime::{GrpcCall, GrpcStatus, InvokeError, OnAbandon};
use http::request::Parts;
use tokio::time::Instant;

use super::{Handler, Target, context_of, failure, request::metadata_of};
use crate::{
    app::App,
    problem::{ApiError, codes},
};

/// A call that may be made, its message read.
pub(crate) struct Unary<'a> {
    pub(crate) target: &'a Target,
    pub(crate) parts: &'a Parts,
    pub(crate) caller: Option<&'a Principal>,
    pub(crate) message: Vec<u8>,
    /// When the plugin's time is over.
    pub(crate) deadline: Instant,
}

/// How a call ended that was not answered with a message.
#[derive(Debug)]
pub(crate) enum UnaryEnded {
    /// The plugin refused it.
    Refused(GrpcStatus),
    /// The deadline passed while the plugin ran.
    OutOfTime(ApiError),
    /// It failed otherwise.
    Failed(ApiError),
}

impl Unary<'_> {
    /// Runs the plugin's handler. Its message is not looked at.
    ///
    /// # Errors
    /// When there is none.
    ///
    /// # Cancel safety
    /// When the caller goes away, a method that changes nothing stops; any other runs to its end.
    pub(crate) async fn run(self, app: &App) -> Result<Vec<u8>, UnaryEnded> {
        let Self { target, parts, caller, message, deadline } = self;
        let Handler::Method(method) = &target.handler else {
            return Err(UnaryEnded::Failed(ApiError::new(codes::UNKNOWN_METHOD, "a route is no method")));
        };
        let call = GrpcCall { method: method.index, metadata: metadata_of(target, &parts.headers), message };
        let context = context_of(parts, caller, deadline, target.keyspace());
        let on_abandon = if method.only_looks { OnAbandon::Cancel } else { OnAbandon::Finish };
        match target.generation.handle_grpc(call, context, on_abandon).await {
            Ok(answer) => answer.map_err(UnaryEnded::Refused),
            Err(error) => {
                let is_late = matches!(error, InvokeError::DeadlineExceeded);
                let error = failure::from_invoke(target, error, app.runtime.limits().queue_timeout);
                Err(if is_late { UnaryEnded::OutOfTime(error) } else { UnaryEnded::Failed(error) })
            }
        }
    }
}
