//! A run of a schedule as the work of a call.

use tokio::time::Instant;

use super::{
    Generation,
    handling::{Ended, Entry, Handling},
};
use crate::{
    admission::Admission,
    bindings::exports::backplane::plugin::schedule_handler,
    call::{Run, Start, Work},
    keyspace::{CommitError, EventFailure, Keyspace, Outcome, Ran},
    manifest::Transaction as Mode,
};

/// One run of a schedule.
pub(super) struct Scheduled {
    run: schedule_handler::Run,
    began: Instant,
}

impl Scheduled {
    pub(super) fn new(run: schedule_handler::Run) -> Self {
        Self { run, began: Instant::now() }
    }

    fn ran(&self, failure: Option<EventFailure>) -> Ran {
        Ran { problem: failure.map(|failure| failure.problem), took: self.began.elapsed() }
    }
}

impl Work for Scheduled {
    type Output = Ran;

    fn mode(&self, _: &Generation) -> Mode {
        Mode::Write
    }

    fn place(&self, generation: &Generation) -> u32 {
        generation.place_of_schedule(self.run.schedule)
    }

    async fn admit(&self, generation: &Generation) -> Admission {
        Admission::take_apart(&generation.host.schedule_runs, &generation.host).await
    }

    async fn run(&self, start: Start) -> Run<Ran> {
        let mut handling = Handling::new(start);
        let result = handling.handle(Entry::Schedule(self.run)).await;
        handling.end(result.map(|ended| match ended {
            Ended::Failed(failure) => self.ran(Some(failure)),
            // Nobody was there before it, so it has all the room.
            Ended::Done | Ended::NoRoom => self.ran(None),
        }))
    }

    fn keeps_writes(ran: &Ran) -> bool {
        ran.problem.is_none()
    }

    fn is_recorded(_: &Ran, _: &dyn Keyspace) -> bool {
        true
    }

    fn outcome(ran: &Ran) -> Outcome<'_> {
        Outcome::Ran(ran)
    }

    fn refused(&mut self, ran: Ran, error: CommitError) -> Result<Option<Ran>, CommitError> {
        match EventFailure::of_commit(&error) {
            Some(failure) if ran.problem.is_none() => Ok(Some(self.ran(Some(failure)))),
            _ => Err(error),
        }
    }
}
