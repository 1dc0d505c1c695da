//! A call that uses its plugin's state: its handler is run until a run of it is committed.
//!
//! A run that returned is committed before its answer leaves, unless there is nothing to commit. When another call
//! changed what it had read, the handler runs again, on an instance that never ran before. First without a turn, then
//! in one, then alone (`turns`), so that a hot key makes progress. Nothing of a run that was not committed stays.
//!
//! Processor time and deadline count over all runs together. A commit that is handed over is waited for whatever they
//! say, since its outcome must be told; while it is waited for, the call holds no permit, no instance and no snapshot.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    admission::Admission,
    bindings::exports::backplane::plugin::http_handler::Request,
    context::CallContext,
    generation::{Generation, Run},
    instance::StateUse,
    invoke::{Answer, InvokeError},
    keyspace::{CommitError, Outcome, Transaction},
    manifest::Transaction as Mode,
    meter::uncut,
    transaction::{Draft, Scope},
    turns::{FreeCommit, Turn, TurnCommit},
};

/// Most runs of one call.
const RUNS_MAX: u32 = 16;
/// Conflicts after which a call takes a turn.
const CONFLICTS_WITHOUT_TURN_MAX: u32 = 2;
/// Conflicts in turns after which a call's turn is alone.
const CONFLICTS_IN_TURNS_MAX: u32 = 3;
/// How long the outcome of a commit is waited for.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A call between two runs.
pub(crate) struct Call {
    generation: Arc<Generation>,
    request: Request,
    context: CallContext,
    mode: Mode,
    runs: u32,
    conflicts: u32,
    conflicts_in_turns: u32,
    /// Whether the next run must be in a turn.
    needs_turn: bool,
    /// Whether the next run must see what earlier turns have handed over.
    must_settle: bool,
    turn: Option<Turn>,
}

/// A commit that is handed over; what it is to others while it is not decided.
enum OnItsWay {
    Free { _commit: FreeCommit },
    InTurn { _commit: TurnCommit },
}

impl Call {
    /// Starts a call of a route whose calls have been in each other's way: in a turn.
    pub(crate) async fn run_in_turn(
        generation: Arc<Generation>,
        request: Request,
        context: CallContext,
    ) -> Result<Answer, InvokeError> {
        let mut call = Self::new(generation, request, context);
        call.needs_turn = true;
        call.run_until_committed().await
    }

    /// Goes on with a call whose first run has ended.
    pub(crate) async fn conclude(
        generation: Arc<Generation>,
        request: Request,
        answer: Result<Answer, InvokeError>,
        state: StateUse,
    ) -> Result<Answer, InvokeError> {
        let StateUse { context, draft } = state;
        let mut call = Self::new(generation, request, context);
        call.runs = 1;
        match call.settle(answer, draft).await? {
            Some(answer) => Ok(answer),
            None => call.run_until_committed().await,
        }
    }

    fn new(generation: Arc<Generation>, request: Request, context: CallContext) -> Self {
        Self {
            mode: generation.transaction_of(request.route),
            generation,
            request,
            context,
            runs: 0,
            conflicts: 0,
            conflicts_in_turns: 0,
            needs_turn: false,
            must_settle: false,
            turn: None,
        }
    }

    async fn run_until_committed(mut self) -> Result<Answer, InvokeError> {
        while self.runs < RUNS_MAX && Instant::now() < self.context.deadline {
            let Run { answer, state } = self.run().await?;
            let Some(StateUse { context, draft }) = state else { return answer };
            self.context = context;
            if let Some(answer) = self.settle(answer, draft).await? {
                return Ok(answer);
            }
        }
        Err(InvokeError::Conflict)
    }

    /// Runs the handler once more.
    async fn run(&mut self) -> Result<Run, InvokeError> {
        let is_first = self.runs == 0;
        self.runs += 1;
        let prepared = timeout_at(self.context.deadline, self.prepare()).await;
        let admission = prepared.unwrap_or(Err(InvokeError::Conflict))?;
        let scope = Scope { mode: self.mode, turns: self.turn.as_ref().map(|_| Arc::clone(self.generation.turns())) };
        let instance = match is_first {
            true => self.generation.instance(&self.context.request_id).await?,
            false => self.generation.unused_instance(&self.context.request_id).await?,
        };
        let context = std::mem::replace(&mut self.context, CallContext::idle());
        Ok(self.generation.run_once(admission, instance, &self.request, context, scope).await)
    }

    /// Waits until the next run may start.
    async fn prepare(&mut self) -> Result<Admission, InvokeError> {
        self.needs_turn |= self.conflicts >= CONFLICTS_WITHOUT_TURN_MAX;
        if self.needs_turn && self.turn.is_none() {
            self.turn = Some(self.generation.turns().take().await.ok_or(InvokeError::Busy)?);
        }
        if let Some(turn) = &mut self.turn {
            if self.conflicts_in_turns >= CONFLICTS_IN_TURNS_MAX {
                turn.be_alone().await;
            }
            if self.must_settle {
                self.generation.turns().settled().await;
            }
        }
        Ok(self.generation.admit_in_time().await)
    }

    /// Commits what a run did. `None` says that the handler is to be run again.
    async fn settle(
        &mut self,
        answer: Result<Answer, InvokeError>,
        draft: Option<Box<Draft>>,
    ) -> Result<Option<Answer>, InvokeError> {
        let mut relies_on_pending = false;
        let mut transaction = Transaction::default();
        // Held until the commit is decided: until then the writes are in memory.
        let mut _charge = None;
        if let Some(mut draft) = draft {
            if let Some(error) = draft.take_failure() {
                return Err(InvokeError::StateUnavailable(error));
            }
            if draft.must_restart() {
                self.must_settle = true;
                return Ok(None);
            }
            let finished = draft.into_transaction(matches!(answer, Ok(Ok(_))));
            (transaction, relies_on_pending, _charge) =
                (finished.transaction, finished.relies_on_pending, Some(finished.charge));
        }
        let answer = answer?;
        let response = answer.as_ref().ok();
        let is_recorded = response.is_some() && self.records_answer();
        if transaction.writes.is_empty() && !relies_on_pending && !is_recorded {
            return Ok(Some(answer));
        }
        let outcome = response.map_or(Outcome::Nothing, Outcome::Answer);
        let is_committed = self.commit(transaction, outcome).await?;
        Ok(is_committed.then_some(answer))
    }

    fn records_answer(&self) -> bool {
        self.mode == Mode::Write && self.context.keyspace.as_ref().is_some_and(|keyspace| keyspace.records_answer())
    }

    /// Hands `transaction` over and waits for what comes of it; says no when the handler is to be run again.
    async fn commit(&mut self, mut transaction: Transaction, outcome: Outcome<'_>) -> Result<bool, InvokeError> {
        let Some(keyspace) = &self.context.keyspace else { return Ok(true) };
        let on_its_way = match &self.turn {
            Some(turn) => OnItsWay::InTurn { _commit: turn.hand_over(&mut transaction) },
            None => match self.generation.turns().try_hand_over() {
                Some(commit) => OnItsWay::Free { _commit: commit },
                None => {
                    self.needs_turn = true;
                    return Ok(false);
                }
            },
        };
        let decision = keyspace.commit(transaction, outcome);
        let was_in_turn = self.turn.is_some();
        self.turn = self.turn.take().filter(Turn::is_alone);
        let decided = uncut(timeout(COMMIT_TIMEOUT, decision)).await.unwrap_or(Err(CommitError::Unknown));
        drop(on_its_way);
        let contention = self.generation.contention();
        match decided {
            Ok(()) => {
                contention.note(self.request.route, false);
                Ok(true)
            }
            Err(CommitError::Conflict) => {
                contention.note(self.request.route, true);
                self.conflicts += 1;
                self.conflicts_in_turns += u32::from(was_in_turn);
                Ok(false)
            }
            Err(error) => Err(InvokeError::Commit(error)),
        }
    }
}
