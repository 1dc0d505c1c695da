//! A call that uses its plugin's state: its handler is run until a run of it is committed.
//!
//! What is run is a [`Work`]: a request, a gRPC call, a delivery of events, a run of a schedule.
//!
//! A run that returned is committed before its answer leaves, unless there is nothing to commit. When another call
//! changed what it had read, the handler runs again, on an instance that never ran before. First without a turn, then
//! in one, then alone (`turns`), so that a hot key makes progress. Nothing of a run that was not committed stays.
//!
//! A request's processor time and deadline count over all runs together. A commit that is handed over is waited for whatever they
//! say, since its outcome must be told; while it is waited for, the call holds no permit, no instance and no snapshot.

mod exchange;
#[cfg(test)]
pub(crate) mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::exchange::Exchange;
use crate::{
    admission::Admission,
    context::CallContext,
    generation::Generation,
    instance::StateUse,
    invoke::InvokeError,
    keyspace::{CommitError, Keyspace, Outcome, Transaction},
    manifest::Transaction as Mode,
    meter::uncut,
    transaction::{Draft, Scope},
    turns::{Fate, FreeCommit, Turn, TurnCommit},
};

/// Most runs of one call.
const RUNS_MAX: u32 = 16;
/// Conflicts after which a call takes a turn.
const CONFLICTS_WITHOUT_TURN_MAX: u32 = 2;
/// Conflicts in turns after which a call's turn is alone.
const CONFLICTS_IN_TURNS_MAX: u32 = 3;
/// How long the outcome of a commit is waited for.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What is run until a run of it is committed.
pub(crate) trait Work: Send + Sync {
    /// What a run comes to.
    type Output: Send;

    /// Returns how it uses state.
    fn mode(&self, generation: &Generation) -> Mode;

    /// Returns its place in what `generation` remembers of routes, subscriptions, schedules and gRPC methods.
    fn place(&self, generation: &Generation) -> u32;

    /// Waits for the right to run for as long as the caller lets it.
    fn admit(&self, generation: &Generation) -> impl Future<Output = Admission> + Send;

    /// Runs once.
    fn run(&self, start: Start) -> impl Future<Output = Run<Self::Output>> + Send;

    /// Returns whether what the run wrote is to be committed.
    fn keeps_writes(output: &Self::Output) -> bool;

    /// Returns whether there is something to commit even where nothing was written.
    fn is_recorded(output: &Self::Output, keyspace: &dyn Keyspace) -> bool;

    /// Returns what becomes true with the commit.
    fn outcome(output: &Self::Output) -> Outcome<'_>;

    /// Decides what follows when the commit was refused for another reason than a conflict: what is to be committed
    /// alone in its place, `None` for another run.
    ///
    /// # Errors
    /// With `error`, when it ends the call.
    fn refused(&mut self, output: Self::Output, error: CommitError) -> Result<Option<Self::Output>, CommitError>;
}

/// What a run starts with.
pub(crate) struct Start {
    pub(crate) generation: Arc<Generation>,
    pub(crate) admission: Admission,
    pub(crate) context: CallContext,
    pub(crate) scope: Scope,
    /// Whether its instance may be one that ran before.
    pub(crate) is_first: bool,
}

/// How one run ended.
pub(crate) struct Run<T> {
    pub(crate) answer: Result<T, InvokeError>,
    /// `None` when there is nothing to commit: the handler used no state, and its answer is not recorded.
    pub(crate) state: Option<StateUse>,
}

/// A call between two runs.
pub(crate) struct Call<W> {
    generation: Arc<Generation>,
    work: W,
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

impl<W: Work> Call<W> {
    /// Runs `work` until a run of it is committed, the first one in a turn if its like have been in each other's way.
    pub(crate) async fn run_to_end(
        generation: Arc<Generation>,
        work: W,
        context: CallContext,
    ) -> Result<W::Output, InvokeError> {
        let mut call = Self::new(generation, work, context);
        call.needs_turn = call.generation.contention().is_high(call.work.place(&call.generation));
        call.run_until_committed().await
    }

    /// Goes on with a call whose first run has ended.
    pub(crate) async fn conclude(
        generation: Arc<Generation>,
        work: W,
        answer: Result<W::Output, InvokeError>,
        state: StateUse,
    ) -> Result<W::Output, InvokeError> {
        let StateUse { context, draft } = state;
        let mut call = Self::new(generation, work, context);
        call.runs = 1;
        match call.settle(answer, draft).await? {
            Some(output) => Ok(output),
            None => call.run_until_committed().await,
        }
    }

    fn new(generation: Arc<Generation>, work: W, context: CallContext) -> Self {
        Self {
            mode: work.mode(&generation),
            generation,
            work,
            context,
            runs: 0,
            conflicts: 0,
            conflicts_in_turns: 0,
            needs_turn: false,
            must_settle: false,
            turn: None,
        }
    }

    async fn run_until_committed(mut self) -> Result<W::Output, InvokeError> {
        while self.runs < RUNS_MAX && Instant::now() < self.context.deadline {
            let Run { answer, state } = self.run().await?;
            let Some(StateUse { context, draft }) = state else { return answer };
            self.context = context;
            if let Some(output) = self.settle(answer, draft).await? {
                return Ok(output);
            }
        }
        Err(InvokeError::Conflict)
    }

    /// Runs once more.
    async fn run(&mut self) -> Result<Run<W::Output>, InvokeError> {
        let is_first = self.runs == 0;
        self.runs += 1;
        let prepared = timeout_at(self.context.deadline, self.prepare()).await;
        let admission = prepared.unwrap_or(Err(InvokeError::Conflict))?;
        let turns = self.turn.as_ref().map(|_| Arc::clone(self.generation.turns()));
        let scope = Scope { mode: self.mode, turns, needs_snapshot: self.must_settle };
        let context = std::mem::replace(&mut self.context, CallContext::idle());
        let start = Start { generation: Arc::clone(&self.generation), admission, context, scope, is_first };
        Ok(self.work.run(start).await)
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
        Ok(self.work.admit(&self.generation).await)
    }

    /// Commits what a run did. `None` says that there is to be another one.
    async fn settle(
        &mut self,
        answer: Result<W::Output, InvokeError>,
        mut draft: Option<Box<Draft>>,
    ) -> Result<Option<W::Output>, InvokeError> {
        if let Some(draft) = &mut draft {
            if let Some(error) = draft.take_failure() {
                return Err(InvokeError::StateUnavailable(error));
            }
            if draft.must_restart() {
                self.must_settle = true;
                return Ok(None);
            }
        }
        // It may be what was read that it failed over, and that may come to nothing. So it fails over what is decided.
        if answer.is_err() && !self.must_settle && draft.as_ref().is_some_and(|draft| draft.relies_on_pending()) {
            self.must_settle = true;
            return Ok(None);
        }
        let output = answer?;
        let (mut transaction, mut relies_on_pending) = (Transaction::default(), false);
        // Held until the commit is decided: until then the writes are in memory.
        let mut _charge = None;
        if let Some(draft) = draft {
            let finished = draft.into_transaction(W::keeps_writes(&output));
            (transaction, relies_on_pending, _charge) =
                (finished.transaction, finished.relies_on_pending, Some(finished.charge));
        }
        let changes_nothing = transaction.writes.is_empty() && transaction.events.is_empty();
        if changes_nothing && !relies_on_pending && !self.is_recorded(&output) {
            return Ok(Some(output));
        }
        match self.commit(transaction, relies_on_pending, W::outcome(&output)).await {
            Ok(is_committed) => Ok(is_committed.then_some(output)),
            Err(error) => self.settle_refused(output, error).await.map_err(InvokeError::Commit),
        }
    }

    /// Goes on after a commit that was refused for another reason than a conflict.
    async fn settle_refused(
        &mut self,
        output: W::Output,
        error: CommitError,
    ) -> Result<Option<W::Output>, CommitError> {
        let Some(output) = self.work.refused(output, error)? else { return Ok(None) };
        let is_committed = self.commit(Transaction::default(), false, W::outcome(&output)).await?;
        Ok(is_committed.then_some(output))
    }

    fn is_recorded(&self, output: &W::Output) -> bool {
        let keyspace = self.context.keyspace.as_deref();
        self.mode == Mode::Write && keyspace.is_some_and(|keyspace| W::is_recorded(output, keyspace))
    }

    /// Hands `transaction` over and waits for what comes of it; says no when there is to be another run.
    async fn commit(
        &mut self,
        mut transaction: Transaction,
        relies_on_pending: bool,
        outcome: Outcome<'_>,
    ) -> Result<bool, CommitError> {
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
        let fate = match decided {
            Ok(()) if relies_on_pending => Fate::CommittedAfterPending,
            Ok(()) => Fate::Committed,
            Err(CommitError::Conflict) => Fate::Conflict,
            Err(error) => return Err(error),
        };
        self.generation.contention().note(self.work.place(&self.generation), fate);
        if fate == Fate::Conflict {
            self.conflicts += 1;
            self.conflicts_in_turns += u32::from(was_in_turn);
        }
        Ok(fate != Fate::Conflict)
    }
}
