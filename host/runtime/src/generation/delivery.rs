//! A delivery of events as the work of a call.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Generation,
    handling::{Ended, Entry, Handling},
};
use crate::{
    admission::Admission,
    call::{Run, Start, Work},
    event::Event,
    keyspace::{CommitError, EventFailure, Handled, Keyspace, Outcome},
    manifest::Transaction as Mode,
};

/// Time after which no further event is begun: what is handled is committed.
const LONG: Duration = Duration::from_millis(100);

/// Events that are handled in one transaction.
pub(super) struct Delivery {
    events: Vec<Arc<Event>>,
    began: Instant,
    /// At most so many are tried: one after a commit of several was refused, so that it is known whose fault it is.
    tried_max: usize,
}

impl Delivery {
    pub(super) fn new(events: Vec<Event>) -> Self {
        let events = events.into_iter().map(Arc::new).collect();
        Self { events, began: Instant::now(), tried_max: usize::MAX }
    }

    fn handled(&self, count: usize, failure: Option<EventFailure>) -> Handled {
        Handled { count, failure, took: self.began.elapsed() }
    }
}

impl Work for Delivery {
    type Output = Handled;

    fn mode(&self, _: &Generation) -> Mode {
        Mode::Write
    }

    fn place(&self, generation: &Generation) -> u32 {
        let subscription = self.events.first().map_or(u32::MAX, |event| event.record.subscription);
        generation.place_of_subscription(subscription)
    }

    async fn admit(&self, generation: &Generation) -> Admission {
        Admission::take_apart(&generation.host.deliveries, &generation.host).await
    }

    async fn run(&self, start: Start) -> Run<Handled> {
        let (run_began, long) = (Instant::now(), LONG.min(start.generation.limits().timeout / 2));
        let mut handling = Handling::new(start);
        let (mut count, mut failure) = (0, None);
        for event in self.events.iter().take(self.tried_max) {
            match handling.handle(Entry::Event(Arc::clone(event))).await {
                Ok(Ended::Done) => count += 1,
                Ok(Ended::Failed(failed)) => failure = Some(failed),
                // It is the first of another delivery, and has all the room.
                Ok(Ended::NoRoom) => break,
                Err(error) => return handling.end(Err(error)),
            }
            if failure.is_some() || handling.is_void() || run_began.elapsed() >= long {
                break;
            }
        }
        handling.end(Ok(self.handled(count, failure)))
    }

    fn keeps_writes(handled: &Handled) -> bool {
        handled.count > 0
    }

    fn is_recorded(_: &Handled, _: &dyn Keyspace) -> bool {
        true
    }

    fn outcome(handled: &Handled) -> Outcome<'_> {
        Outcome::Handled(handled)
    }

    fn refused(&mut self, handled: Handled, error: CommitError) -> Result<Option<Handled>, CommitError> {
        let Some(failure) = EventFailure::of_commit(&error) else { return Err(error) };
        match handled {
            Handled { count: 0, .. } => Err(error),
            Handled { count: 1, failure: None, .. } => Ok(Some(self.handled(0, Some(failure)))),
            _ => {
                self.tried_max = 1;
                Ok(None)
            }
        }
    }
}
