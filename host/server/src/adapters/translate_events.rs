//! The dispatcher's words for events and progress as the store's and the runtime's, and back.

use std::sync::Arc;

use backplane_events::{
    CursorStep, DeadLetter, Epoch, Event, EventKey, Failure, FailureKind, FoundEvents, Item, LANES, Lane, LogPage,
    ParseKeyError, PauseReason, Problem, Progress, Published, RetryRow, RetryStep, ScheduleStep, Seq, Shape, Step,
    SubscriptionId, Topic, UnixMs,
};
use backplane_runtime as runtime;
use backplane_store::events as store;

/// A row of the log, or of somebody's progress, that this host did not write.
#[derive(Debug, thiserror::Error)]
pub enum DamagedEventRow {
    /// An event that cannot be one.
    #[error("the log of events holds something at place {seq} that cannot be an event")]
    Event {
        /// Where.
        seq: i64,
    },
    /// A pause for a reason that there is not.
    #[error("subscription {id} is paused for a reason that there is not: `{reason}`")]
    Pause {
        /// Which.
        id: i64,
        /// The word.
        reason: String,
    },
}

pub(crate) fn event(event: store::Event) -> Result<Arc<Event>, DamagedEventRow> {
    let seq = event.seq;
    to_event(event).map(Arc::new).ok_or(DamagedEventRow::Event { seq })
}

/// Makes an event of the log of one that a plugin publishes.
pub(super) fn new_event(
    event: runtime::keyspace::NewEvent,
    source: &Arc<str>,
    time_ms: i64,
) -> Result<store::NewEvent, ParseKeyError> {
    let runtime::keyspace::NewEvent { id, topic, key, content_type, payload, trace_parent } = event;
    let key = key.map(|key| EventKey::new(&key)).transpose()?;
    Ok(store::NewEvent {
        lane: Lane::of(key.as_ref(), &id).number(),
        id: id.into(),
        source: Arc::clone(source),
        topic: topic.into(),
        key: key.as_ref().map(text),
        time_ms,
        content_type: content_type.into(),
        payload: payload.into(),
        trace_parent: trace_parent.map(Into::into),
        publisher: None,
        is_given: false,
    })
}

fn to_event(event: store::Event) -> Option<Event> {
    Some(Event {
        seq: Seq(event.seq),
        topic: Topic::new(&event.topic).ok()?,
        key: event.key.map(|key| EventKey::new(&key)).transpose().ok()?,
        lane: Lane::new(event.lane)?,
        time: UnixMs(event.time_ms),
        id: event.id,
        source: event.source,
        content_type: event.content_type,
        payload: event.payload,
        trace_parent: event.trace_parent,
    })
}

pub(crate) fn published(published: store::Published) -> Result<Published, DamagedEventRow> {
    Ok(Published { event: event(published.event)?, after: Seq(published.after) })
}

pub(super) fn log_page(page: store::LogPage) -> Result<LogPage, DamagedEventRow> {
    let store::LogPage { events, end, more, kept_from } = page;
    let events = events.into_iter().map(event).collect::<Result<_, _>>()?;
    Ok(LogPage { events, end: Seq(end), more, kept_from: Seq(kept_from) })
}

pub(super) fn found_events(found: store::FoundEvents) -> Result<FoundEvents, DamagedEventRow> {
    found.into_iter().map(|(seq, found)| Ok((Seq(seq), found.map(event).transpose()?))).collect()
}

pub(crate) fn topics(shape: Shape<'_>) -> store::Topics<'_> {
    match shape {
        Shape::All => store::Topics::All,
        Shape::Exact(topic) => store::Topics::Exact(topic),
        Shape::Below(topic) => store::Topics::Below(topic),
    }
}

pub(super) fn step(step: Step) -> store::Step {
    store::Step {
        subscription: step.subscription.0,
        epoch: step.epoch.0,
        cursors: step.cursors.into_iter().map(cursor_step).collect(),
        retries: step.retries.into_iter().map(retry_step).collect(),
        dead_letters: step.dead_letters.into_iter().map(dead_letter).collect(),
    }
}

fn cursor_step(CursorStep { lane, from, to }: CursorStep) -> store::CursorStep {
    store::CursorStep { lane: lane.number(), from: from.0, to: to.0 }
}

fn retry_step(step: RetryStep) -> store::RetryStep {
    match step {
        RetryStep::Insert(row) => store::RetryStep::Insert(retry_row(row)),
        RetryStep::Replace { attempts, row } => store::RetryStep::Replace { attempts, row: retry_row(row) },
        RetryStep::Remove(RetryRow { seq, attempts, .. }) => store::RetryStep::Remove { seq: seq.0, attempts },
    }
}

fn retry_row(row: RetryRow) -> store::RetryRow {
    let RetryRow { seq, key, attempts, due, problem: failed } = row;
    store::RetryRow { seq: seq.0, key: key.as_ref().map(text), attempts, due_ms: due.0, problem: failed.map(problem) }
}

fn dead_letter(dead: DeadLetter) -> store::DeadLetter {
    let DeadLetter { seq, key, attempts, at, problem: failed } = dead;
    store::DeadLetter { seq: seq.0, key: key.as_ref().map(text), attempts, at_ms: at.0, problem: problem(failed) }
}

fn text(key: &EventKey) -> Arc<str> {
    key.as_str().into()
}

fn problem(Problem { code, message }: Problem) -> store::Problem {
    store::Problem { code, message }
}

pub(super) fn progress(progress: store::Progress) -> Result<Progress, DamagedEventRow> {
    let store::Progress { id, epoch, cursors, retries, dead_letters, paused } = progress;
    let rows = retries.into_iter().map(|row| {
        let key = row.key.map(|key| EventKey::new(&key)).transpose();
        let key = key.map_err(|_not_one| DamagedEventRow::Event { seq: row.seq })?;
        // Why an attempt failed is for people, who ask the store.
        Ok(RetryRow { seq: Seq(row.seq), key, attempts: row.attempts, due: UnixMs(row.due_ms), problem: None })
    });
    let retries = rows.collect::<Result<_, _>>()?;
    let paused = paused.map(|reason| pause_reason(&reason).ok_or(DamagedEventRow::Pause { id, reason })).transpose()?;
    let cursors: [i64; LANES] = cursors;
    Ok(Progress {
        id: SubscriptionId(id),
        epoch: Epoch(epoch),
        cursors: cursors.map(Seq),
        retries,
        dead_letters,
        paused,
    })
}

/// The words that are stored.
const PAUSE_REASONS: [(PauseReason, &str); 3] =
    [(PauseReason::Asked, "asked"), (PauseReason::Trapping, "trapping"), (PauseReason::DeadLetters, "dead_letters")];

fn pause_reason(word: &str) -> Option<PauseReason> {
    PAUSE_REASONS.iter().find(|(_, known)| *known == word).map(|(reason, _)| *reason)
}

pub(super) fn pause_word(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Asked => "asked",
        PauseReason::Trapping => "trapping",
        PauseReason::DeadLetters => "dead_letters",
    }
}

/// Makes a schedule's step, with the run that it stands for.
pub(super) fn schedule_step(step: ScheduleStep, ran: &runtime::keyspace::Ran, at_ms: i64) -> store::ScheduleStep {
    let failed = ran.problem.as_ref();
    let problem = failed.map(|failed| problem(Problem::new(&failed.code, &failed.message)));
    let run = Some(store::ScheduleRun { at_ms, problem });
    store::ScheduleStep { schedule: step.schedule.0, from: step.from.0, to: step.to.0, run }
}

/// Makes a plugin's event of one that is on its way to it.
pub(super) fn to_guest(item: &Item, subscription: u32) -> runtime::Event {
    let event = &*item.event;
    runtime::Event {
        record: runtime::EventRecord {
            subscription,
            id: event.id.as_ref().to_owned(),
            source: event.source.as_ref().to_owned(),
            topic: event.topic.as_str().to_owned(),
            key: event.key.as_ref().map(|key| key.as_str().to_owned()),
            content_type: event.content_type.as_ref().to_owned(),
            payload: event.payload.to_vec(),
            time_ms: event.time.0.max(0).unsigned_abs(),
            attempt: item.attempt,
        },
        trace_parent: event.trace_parent.as_deref().map(str::to_owned),
    }
}

pub(super) fn failure(failure: &runtime::keyspace::EventFailure) -> Failure {
    use runtime::keyspace::EventFailureKind as From;
    let kind = match failure.kind {
        From::Retry { after } => FailureKind::Retry { after },
        From::Final => FailureKind::Final,
        From::Trap => FailureKind::Trap,
    };
    Failure { kind, problem: Problem::new(&failure.problem.code, &failure.problem.message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_a_pause_is_read_as_it_was_written() {
        for (reason, word) in PAUSE_REASONS {
            assert_eq!((pause_word(reason), pause_reason(word)), (word, Some(reason)));
        }
        assert_eq!(pause_reason("tired"), None);
    }

    #[test]
    fn a_row_that_cannot_be_an_event_is_not_taken_for_one() {
        let row = |topic: &str, key: Option<&str>, lane| store::Event {
            seq: 7,
            id: "id".into(),
            source: "/plugins/a".into(),
            topic: topic.into(),
            key: key.map(Into::into),
            lane,
            time_ms: 1,
            content_type: "text/plain".into(),
            payload: Arc::new([1]),
            trace_parent: None,
        };
        assert_eq!(event(row("a.b", Some("k"), 15)).expect("an event").seq, Seq(7));
        for damaged in [row("A", None, 0), row("a", Some(""), 0), row("a", None, 16)] {
            assert!(matches!(event(damaged), Err(DamagedEventRow::Event { seq: 7 })));
        }
    }
}
