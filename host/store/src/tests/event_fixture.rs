//! Short words for what tests do with events.

use std::sync::{Arc, Mutex};

use super::fixture::{Fixture, empty};
use crate::{
    Commit, CommitError, Committed, Space, StoreError, StoreOptions,
    events::{
        CollectedEvents, CursorStep, Event, LogPage, LogRead, NewEvent, Progress, Published, RetentionLimits, Step,
        Topics, open_subscription, read_events,
    },
};

/// Keeps everything.
pub(super) const KEEP: RetentionLimits = RetentionLimits { age_ms: i64::MAX, bytes: u64::MAX };

/// What the hook was told, batch by batch.
pub(super) type Told = Arc<Mutex<Vec<Vec<Published>>>>;

/// An event of the topic `t.a` in lane 0.
pub(crate) fn event(id: &str) -> NewEvent {
    NewEvent {
        id: id.into(),
        source: "/plugins/a".into(),
        topic: "t.a".into(),
        key: None,
        lane: 0,
        time_ms: 7,
        content_type: "text/plain".into(),
        payload: id.as_bytes().into(),
        trace_parent: None,
        publisher: None,
        is_given: false,
    }
}

/// One whose id a client chose.
pub(super) fn given(publisher: &str, source: &str, id: &str) -> NewEvent {
    NewEvent { publisher: Some(publisher.into()), source: source.into(), is_given: true, ..event(id) }
}

/// A step that moves the cursor of lane 0.
pub(super) fn step(progress: &Progress, from: i64, to: i64) -> Step {
    Step {
        subscription: progress.id,
        epoch: progress.epoch,
        cursors: vec![CursorStep { lane: 0, from, to }],
        retries: Vec::new(),
        dead_letters: Vec::new(),
    }
}

/// A store that remembers what it told.
pub(super) fn telling(change: impl FnOnce(&mut StoreOptions)) -> (Fixture, Told) {
    let told = Told::default();
    let hook = Arc::clone(&told);
    let fixture = Fixture::with(|options| {
        options.published = Some(Arc::new(move |published| hook.lock().unwrap().push(published)));
        change(options);
    });
    (fixture, told)
}

impl Fixture {
    pub(super) fn publish(&self, space: &Arc<Space>, events: Vec<NewEvent>) -> Result<Committed, CommitError> {
        self.commit(Commit { events, ..empty(space) })
    }

    /// Publishes events of these ids, and returns their places.
    pub(super) fn publish_all(&self, ids: impl IntoIterator<Item = String>) -> Vec<i64> {
        let events = ids.into_iter().map(|id| event(&id)).collect();
        self.publish(&self.space("a"), events).unwrap().events
    }

    pub(super) fn page(&self, lane: Option<u8>, topics: Topics<'_>, after: i64) -> LogPage {
        let read = LogRead { lane, topics, after, events_max: 10_000, bytes_max: usize::MAX };
        self.store.read(|connection| read_events(connection, read)).unwrap()
    }

    pub(super) fn log(&self) -> Vec<Event> {
        self.page(None, Topics::All, 0).events
    }

    pub(super) fn log_ids(&self) -> Vec<String> {
        self.log().into_iter().map(|event| event.id.to_string()).collect()
    }

    pub(super) fn open(&self, plugin: &'static str, pattern: &'static str, now_ms: i64) -> Progress {
        self.store.write(move |connection| open_subscription(connection, plugin, pattern, now_ms)).wait().unwrap()
    }

    /// Runs a change of the host and returns its result.
    pub(super) fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut crate::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(change).wait().unwrap()
    }

    pub(super) fn step(&self, step: Step) -> Result<(), CommitError> {
        self.store.apply_step(step)?.wait().map(drop)
    }

    /// Deletes what is not to be kept. Returns all steps together.
    pub(super) fn retain(&self, limits: RetentionLimits, now_ms: i64) -> CollectedEvents {
        let mut all = CollectedEvents::default();
        for _ in 0..1000 {
            let step = self.store.collect_events(limits, now_ms).wait().unwrap();
            all.events += step.events;
            all.bytes += step.bytes;
            all.detached += step.detached;
            all.held_by = step.held_by;
            if !step.more {
                return all;
            }
        }
        panic!("there is always more to delete");
    }
}
