//! A request or a gRPC call as the work of a call: somebody waits for its answer.

use tokio::time::Instant;

use super::{Run, Start, Work};
use crate::{
    admission::Admission,
    bindings::{
        backplane::plugin::types::Problem,
        exports::backplane::plugin::{
            grpc_handler::{Call, Status},
            http_handler::{Request, Response},
        },
    },
    context::CallContext,
    generation::Generation,
    instance::{Blueprint, Instance},
    invoke::InvokeError,
    keyspace::{self, CommitError, Keyspace, Outcome},
    manifest::Transaction as Mode,
    transaction::Scope,
};

/// What a guest is asked, and answers within the same call.
pub(crate) trait Exchange: Send + Sync + 'static {
    /// An answer that commits.
    type Reply: Send + 'static;
    /// An answer that rolls back.
    type Refusal: Send + 'static;
    /// What has to be known of it when it has ended; nothing, where a missed deadline is the plugin's fault anyway.
    type Hurry: Copy + Send;

    /// As [`Work::mode`].
    fn mode(&self, generation: &Generation) -> Mode;

    /// As [`Work::place`].
    fn place(&self, generation: &Generation) -> u32;

    /// Looks at the time that the plugin has, before it starts.
    fn hurry(&self, generation: &Generation, deadline: Instant) -> Self::Hurry;

    /// Returns whether the plugin is at fault.
    fn is_fault(error: &InvokeError, hurry: Self::Hurry) -> bool;

    /// Enters the guest.
    ///
    /// Not an `async fn` around the instance's: the future of every request would carry its context twice.
    fn enter(
        &self,
        instance: &mut Instance,
        blueprint: &Blueprint,
        context: CallContext,
        scope: Scope,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Reply, Self::Refusal>>> + Send;

    /// Returns the length of what a client receives, in bytes.
    fn reply_bytes(reply: &Self::Reply) -> usize;

    /// Brings what the guest said within the contract's bounds, where that is not for the caller to do.
    fn bounded(refusal: Self::Refusal) -> Self::Refusal;

    /// Returns what becomes true with the commit of a reply.
    fn outcome(reply: &Self::Reply) -> Outcome<'_>;
}

impl Exchange for Request {
    type Reply = Response;
    type Refusal = Problem;
    type Hurry = ();

    fn mode(&self, generation: &Generation) -> Mode {
        generation.transaction_of(self.route)
    }

    fn place(&self, _: &Generation) -> u32 {
        self.route
    }

    fn hurry(&self, _: &Generation, _: Instant) {}

    fn is_fault(error: &InvokeError, (): ()) -> bool {
        error.is_fault()
    }

    fn enter(
        &self,
        instance: &mut Instance,
        _: &Blueprint,
        context: CallContext,
        scope: Scope,
    ) -> impl Future<Output = wasmtime::Result<Result<Response, Problem>>> + Send {
        instance.handle_http(context, scope, self)
    }

    fn reply_bytes(response: &Response) -> usize {
        response.body.len()
    }

    fn bounded(problem: Problem) -> Problem {
        problem
    }

    fn outcome(response: &Response) -> Outcome<'_> {
        Outcome::Answer(response)
    }
}

impl Exchange for Call {
    type Reply = Vec<u8>;
    type Refusal = Status;
    /// Whether the caller leaves less than half of the time that the method has: nobody is slow who misses that.
    type Hurry = bool;

    fn mode(&self, generation: &Generation) -> Mode {
        generation.manifest().grpc_method(self.method).map_or(Mode::None, |method| method.transaction)
    }

    fn place(&self, generation: &Generation) -> u32 {
        generation.place_of_method(self.method)
    }

    fn hurry(&self, generation: &Generation, deadline: Instant) -> bool {
        deadline.saturating_duration_since(Instant::now()) < generation.timeout_of_method(self.method) / 2
    }

    fn is_fault(error: &InvokeError, is_hurried: bool) -> bool {
        error.is_fault() && !(is_hurried && matches!(error, InvokeError::DeadlineExceeded))
    }

    fn enter(
        &self,
        instance: &mut Instance,
        blueprint: &Blueprint,
        context: CallContext,
        scope: Scope,
    ) -> impl Future<Output = wasmtime::Result<Result<Vec<u8>, Status>>> + Send {
        instance.handle_grpc(blueprint, context, scope, self)
    }

    fn reply_bytes(message: &Vec<u8>) -> usize {
        message.len()
    }

    fn bounded(status: Status) -> Status {
        let keyspace::Problem { code: reason, message } = keyspace::Problem::new(&status.reason, status.message);
        // Every code but OK, which is an answer (gRPC, "Status codes and their use in gRPC"); 2 is UNKNOWN.
        let code = if (1..=16).contains(&status.code) { status.code } else { 2 };
        Status { code, reason, message }
    }

    fn outcome(_: &Vec<u8>) -> Outcome<'_> {
        Outcome::Nothing
    }
}

impl<E: Exchange> Work for E {
    type Output = Result<E::Reply, E::Refusal>;

    fn mode(&self, generation: &Generation) -> Mode {
        Exchange::mode(self, generation)
    }

    fn place(&self, generation: &Generation) -> u32 {
        Exchange::place(self, generation)
    }

    async fn admit(&self, generation: &Generation) -> Admission {
        generation.admit_in_time().await
    }

    async fn run(&self, start: Start) -> Run<Self::Output> {
        let Start { generation, admission, context, scope, is_first } = start;
        let instance = match is_first {
            true => generation.instance(&context.request_id).await,
            false => generation.unused_instance(&context.request_id).await,
        };
        match instance {
            Ok(instance) => generation.run_once(admission, instance, self, context, scope).await,
            Err(error) => Run { answer: Err(error), state: None },
        }
    }

    fn keeps_writes(answer: &Self::Output) -> bool {
        answer.is_ok()
    }

    fn is_recorded(answer: &Self::Output, keyspace: &dyn Keyspace) -> bool {
        answer.is_ok() && keyspace.records_answer()
    }

    fn outcome(answer: &Self::Output) -> Outcome<'_> {
        answer.as_ref().map_or(Outcome::Nothing, E::outcome)
    }

    fn refused(&mut self, _: Self::Output, error: CommitError) -> Result<Option<Self::Output>, CommitError> {
        Err(error)
    }
}
