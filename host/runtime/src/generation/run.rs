//! One run of the handler: an instance is taken, entered once, and put away.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use tokio::time::Instant;

use super::Generation;
use crate::{
    admission::Admission,
    call::{Call, Exchange, Run},
    context::CallContext,
    instance::{Instance, InstantiateError},
    invoke::InvokeError,
    manifest::{InstanceMode, Transaction as Mode},
    transaction::Scope,
};

impl Generation {
    /// Runs the handler until it has answered, and what it did with its plugin's state is committed.
    pub(super) async fn run<E: Exchange>(
        self: Arc<Self>,
        admission: Option<Admission>,
        request: E,
        call: CallContext,
    ) -> Result<Result<E::Reply, E::Refusal>, InvokeError> {
        let Some(admission) = admission else {
            return Box::pin(Call::run_to_end(self, request, call)).await;
        };
        let instance = self.instance(&call.request_id).await?;
        let mode = if call.keyspace.is_some() { request.mode(&self) } else { Mode::None };
        // What reads for long is likely to outlive what is in memory, and would run twice.
        let needs_snapshot = mode == Mode::Read && self.pace.is_heavy(request.place(&self));
        let scope = Scope { mode, needs_snapshot, ..Scope::NONE };
        let run = self.run_once(admission, instance, &request, call, scope).await;
        match run.state {
            None => run.answer,
            // Boxed, like everything that most calls do not need: what they carry around stays small.
            Some(state) => Box::pin(Call::conclude(self, request, run.answer, state)).await,
        }
    }

    /// Returns an instance for a call.
    pub(crate) async fn instance(&self, request_id: &str) -> Result<Box<Instance>, InvokeError> {
        match self.pool.take() {
            Some(instance) => Ok(instance),
            None => self.new_instance(request_id).await,
        }
    }

    /// Returns an instance that never ran a call.
    pub(crate) async fn unused_instance(&self, request_id: &str) -> Result<Box<Instance>, InvokeError> {
        match self.mode {
            InstanceMode::Fresh => self.instance(request_id).await,
            InstanceMode::Reused => self.new_instance(request_id).await,
        }
    }

    /// Returns an instance for a handler that runs after another: the one that was used where it may be.
    pub(super) async fn next_instance(
        &self,
        mut used: Box<Instance>,
        request_id: &str,
    ) -> Result<Box<Instance>, InvokeError> {
        if self.mode == InstanceMode::Reused && used.end_call(&self.blueprint.limits) {
            return Ok(used);
        }
        // Before there is another: permits bound how many instances there are.
        drop(used);
        self.unused_instance(request_id).await
    }

    async fn new_instance(&self, request_id: &str) -> Result<Box<Instance>, InvokeError> {
        let start = self.start_context(request_id.to_owned());
        let made = Box::pin(self.blueprint.instantiate(&self.host, start)).await;
        made.map(Box::new).map_err(InvokeError::from)
    }

    /// Runs the handler once, and puts the instance away.
    pub(crate) async fn run_once<E: Exchange>(
        self: &Arc<Self>,
        admission: Admission,
        // After `admission`, so that it is dropped before: permits bound how many instances there are.
        mut instance: Box<Instance>,
        request: &E,
        call: CallContext,
        scope: Scope,
    ) -> Run<Result<E::Reply, E::Refusal>> {
        let returned = request.enter(&mut instance, &self.blueprint, call, scope).await;
        let state = instance.take_state_use();
        let answer = match returned {
            Ok(answer) => {
                self.check_in(instance, admission);
                self.check::<E>(answer)
            }
            Err(error) => Err(InvokeError::trapped(&error, instance.memory_refused())),
        };
        Run { answer, state }
    }

    fn check<E: Exchange>(
        &self,
        answer: Result<E::Reply, E::Refusal>,
    ) -> Result<Result<E::Reply, E::Refusal>, InvokeError> {
        let bytes_max = self.blueprint.limits.response_bytes_max;
        match answer {
            Ok(reply) => match E::reply_bytes(&reply) {
                bytes if bytes > bytes_max => Err(InvokeError::ResponseTooLarge { bytes, bytes_max }),
                _ => Ok(Ok(reply)),
            },
            Err(refusal) => Ok(Err(E::bounded(refusal))),
        }
    }

    /// Takes an instance back whose call returned. What costs time happens after the response has left.
    pub(super) fn check_in(self: &Arc<Self>, mut instance: Box<Instance>, admission: Admission) {
        let keep = self.mode == InstanceMode::Reused
            && !self.retired.load(Ordering::Acquire)
            && instance.end_call(&self.blueprint.limits);
        if keep {
            self.put(instance);
        } else {
            tokio::spawn(Arc::clone(self).replace(instance, admission));
        }
    }

    async fn replace(self: Arc<Self>, used: Box<Instance>, admission: Admission) {
        drop(used);
        if self.mode == InstanceMode::Fresh && self.blueprint.lifecycle.is_none() && self.pool.has_room() {
            self.make_ready().await;
        }
        drop(admission);
    }

    /// Makes an instance for a call to come, where that is done at once.
    ///
    /// The guest may compute at its start, and here nobody's call pays for that. What is not done by the first tick of
    /// the clock is given up: the next call makes its own instance, within its own time.
    pub(super) async fn make_ready(&self) {
        let mut making = pin!(self.blueprint.instantiate(&self.host, self.start_context(String::new())));
        match poll_fn(|context| Poll::Ready(making.as_mut().poll(context))).await {
            Poll::Ready(Ok(instance)) => self.put(Box::new(instance)),
            Poll::Ready(Err(error)) => {
                tracing::debug!(plugin = %self.manifest.name, ?error, "no instance made ready");
            }
            Poll::Pending => tracing::debug!(plugin = %self.manifest.name, "no instance made ready: it takes long"),
        }
    }

    /// The context of an instance's start: nobody's call, with the time that `init` has.
    pub(super) fn start_context(&self, request_id: String) -> CallContext {
        let deadline = Instant::now() + self.host.limits.init_timeout;
        CallContext { request_id, deadline, ..CallContext::idle() }
    }

    pub(super) fn put(&self, instance: Box<Instance>) {
        if !self.retired.load(Ordering::Acquire) {
            self.pool.put(instance);
        }
        // Retired in between: whoever retired may have cleared the pool just before.
        if self.retired.load(Ordering::Acquire) {
            self.pool.clear();
        }
    }
}

impl From<InstantiateError> for InvokeError {
    fn from(error: InstantiateError) -> Self {
        match error {
            InstantiateError::Refused(problem) => Self::InitRefused { code: problem.code, message: problem.message },
            InstantiateError::Trap { error, .. } if error.is::<wasmtime::PoolConcurrencyLimitError>() => Self::Busy,
            InstantiateError::Trap { error, out_of_memory } => Self::trapped(&error, out_of_memory),
        }
    }
}
