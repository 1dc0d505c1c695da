//! Handlers that nobody waits for: events and runs of schedules, one after another in one transaction.
//!
//! Each handler has a budget of its own. Its end, whatever it is, leaves the transaction in place: what a handler wrote
//! that failed is taken back, and what those before it wrote stays. A long one goes on in the slow lane, like a request.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Generation;
use crate::{
    admission::Admission,
    aside::Aside,
    bindings::exports::backplane::plugin::schedule_handler,
    call::{Run, Start},
    context::CallContext,
    event::Event,
    instance::{Instance, StateUse},
    invoke::InvokeError,
    keyspace::{EventFailure, EventFailureKind},
    lane::{CallEnded, OnAbandon, Steered},
    meter::{Budget, Measured, Metered, SHORT},
    transaction::{Draft, Scope},
};

/// How a handler ended.
pub(super) enum Ended {
    /// What it wrote is part of the transaction.
    Done,
    /// What it wrote is taken back.
    Failed(EventFailure),
    /// Those before it left it too little of what one transaction may hold. It is as if it had not begun.
    NoRoom,
}

/// What a handler is called with.
pub(super) enum Entry {
    /// An event.
    Event(Arc<Event>),
    /// A run of a schedule.
    Schedule(schedule_handler::Run),
}

/// A transaction between two handlers.
pub(super) struct Handling {
    generation: Arc<Generation>,
    /// Of the last handler, when it returned.
    used: Option<Box<Instance>>,
    // After `used`, so that it is dropped later: permits bound how many instances there are.
    admission: Admission,
    context: CallContext,
    scope: Scope,
    draft: Option<Box<Draft>>,
    /// Whether the first instance may be one that ran before.
    is_first: bool,
    /// Whether something in the transaction is another handler's than that which runs.
    is_shared: bool,
    /// CPU time since other tasks had a chance.
    spent: Duration,
    aside: Aside,
}

/// One handler on its way; it can go on in another thread.
struct Step {
    generation: Arc<Generation>,
    entry: Entry,
    used: Option<Box<Instance>>,
    is_first: bool,
    context: CallContext,
    scope: Scope,
    draft: Option<Box<Draft>>,
    budget: Budget,
}

/// What a step leaves.
struct Stepped {
    /// `None` where it cannot be entered again.
    instance: Option<Box<Instance>>,
    draft: Option<Box<Draft>>,
    result: Result<Result<(), EventFailure>, InvokeError>,
}

impl Handling {
    pub(super) fn new(start: Start) -> Self {
        let Start { generation, admission, context, scope, is_first } = start;
        let (used, draft, spent) = (None, None, Duration::ZERO);
        let aside = Aside::new(Arc::clone(&generation.host.aside));
        Self { generation, used, admission, context, scope, draft, is_first, is_shared: false, spent, aside }
    }

    /// Runs one handler. A failure is its own; with it, the transaction is as it was before.
    ///
    /// # Errors
    /// When the handler could not be run, for a reason that is not the plugin's. Then the transaction comes to nothing.
    pub(super) async fn handle(&mut self, entry: Entry) -> Result<Ended, InvokeError> {
        if self.spent >= SHORT {
            self.aside.leave();
            tokio::task::yield_now().await;
            self.spent = Duration::ZERO;
        }
        if let Some(draft) = &mut self.draft {
            draft.mark();
        }
        let place = entry.place(&self.generation);
        let Measured { result, spent } = self.steer(entry, place).await;
        let Stepped { instance, draft, result } = result.map_err(InvokeError::from)?;
        (self.used, self.draft) = (instance, draft);
        self.spent += spent;
        // A handler that was ended so that it starts anew is not at fault.
        let had_room = !(self.is_shared && self.draft.as_ref().is_some_and(|draft| draft.lacked_room()));
        let is_fault = had_room && !self.is_void() && result.as_ref().is_err_and(InvokeError::is_fault);
        self.generation.pace.note_aside(place, is_fault, spent);
        self.generation.count_call(is_fault);
        let ended = match result {
            _ if !had_room => Ended::NoRoom,
            Ok(Ok(())) => Ended::Done,
            Ok(Err(failure)) => Ended::Failed(failure),
            Err(error) => Ended::Failed(EventFailure::of_end(&error).ok_or(error)?),
        };
        match (&ended, &mut self.draft) {
            (Ended::Done, _) => self.is_shared = true,
            (Ended::Failed(_) | Ended::NoRoom, Some(draft)) => draft.undo(),
            (Ended::Failed(_) | Ended::NoRoom, None) => {}
        }
        Ok(ended)
    }

    /// Returns whether nothing of the transaction counts any more.
    pub(super) fn is_void(&self) -> bool {
        self.draft.as_ref().is_some_and(|draft| draft.is_void())
    }

    /// Gives back what is not needed for the commit.
    pub(super) fn end<T>(self, answer: Result<T, InvokeError>) -> Run<T> {
        let Self { generation, used, admission, context, mut draft, .. } = self;
        if let Some(draft) = &mut draft {
            draft.close();
        }
        if let Some(instance) = used {
            generation.check_in(instance, admission);
        }
        Run { answer, state: Some(StateUse { context, draft }) }
    }

    /// Runs one handler: a heavy one in the slow lane, a lengthy one when there is a thread for it, and a quick one at
    /// once, since it ends sooner than it would wait.
    async fn steer(&mut self, entry: Entry, place: u32) -> Measured<Result<Stepped, CallEnded>> {
        let pace = &self.generation.pace;
        let (is_heavy, is_lengthy) = (pace.is_heavy(place), pace.is_lengthy(place));
        if is_heavy || !is_lengthy {
            self.aside.leave();
            return self.step(entry).steer(is_heavy).await;
        }
        // Before its time begins.
        self.aside.enter().await;
        let steered = self.step(entry).steer(false);
        self.aside.run(steered).await
    }

    fn step(&mut self, entry: Entry) -> Step {
        let limits = &self.generation.blueprint.limits;
        let budget = Budget { deadline: Instant::now() + limits.timeout, cpu: limits.cpu };
        let mut context = CallContext { deadline: budget.deadline, principal: None, ..self.context.clone() };
        if let Entry::Event(event) = &entry {
            context.trace_parent.clone_from(&event.trace_parent);
        }
        Step {
            generation: Arc::clone(&self.generation),
            entry,
            used: self.used.take(),
            is_first: self.is_first,
            context,
            scope: self.scope.clone(),
            draft: self.draft.take(),
            budget,
        }
    }
}

impl Step {
    /// Runs in the slow lane if it `is_heavy`, else here while it is short. What bounds it is its own budget: around
    /// it, it is only timed.
    async fn steer(self, is_heavy: bool) -> Measured<Result<Stepped, CallEnded>> {
        let start = self.generation.host.limits.init_timeout;
        let all = Budget { deadline: self.budget.deadline + start * 2, cpu: Duration::MAX };
        let slow = self.generation.host.slow_lane.handle().clone();
        let steer = if is_heavy { Steered::slow } else { Steered::new };
        steer(Metered::new(self.run(), all), slow, OnAbandon::Cancel).await
    }

    async fn run(self) -> Stepped {
        let Self { generation, entry, used, is_first, context, scope, draft, budget } = self;
        let instance = match used {
            Some(used) => generation.next_instance(used, &context.request_id).await,
            None if is_first => generation.instance(&context.request_id).await,
            None => generation.unused_instance(&context.request_id).await,
        };
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(error) => return Stepped { instance: None, draft, result: Err(error) },
        };
        let call = entry.call(&generation, &mut instance, context, scope, draft);
        let result = Metered::new(call, budget).await.result;
        let draft = instance.take_draft();
        match result {
            Ok(Ok(result)) => Stepped { instance: Some(instance), draft, result: Ok(result) },
            Ok(Err(error)) => {
                let result = Err(InvokeError::trapped(&error, instance.memory_refused()));
                Stepped { instance: None, draft, result }
            }
            Err(overrun) => Stepped { instance: None, draft, result: Err(CallEnded::Overrun(overrun).into()) },
        }
    }
}

impl Entry {
    fn place(&self, generation: &Generation) -> u32 {
        match self {
            Self::Event(event) => generation.place_of_subscription(event.record.subscription),
            Self::Schedule(run) => generation.place_of_schedule(run.schedule),
        }
    }

    async fn call(
        &self,
        generation: &Generation,
        instance: &mut Instance,
        context: CallContext,
        scope: Scope,
        draft: Option<Box<Draft>>,
    ) -> wasmtime::Result<Result<(), EventFailure>> {
        let blueprint = &generation.blueprint;
        Ok(match self {
            Self::Event(event) => {
                let called = instance.handle_event(blueprint, context, scope, draft, &event.record).await?;
                called.map_err(EventFailure::from)
            }
            Self::Schedule(run) => {
                let called = instance.handle_schedule(blueprint, context, scope, *run).await?;
                called.map_err(|problem| EventFailure { kind: EventFailureKind::Final, problem: problem.into() })
            }
        })
    }
}
