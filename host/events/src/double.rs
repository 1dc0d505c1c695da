//! A world in memory that stands in for the store, with its transactions.
//!
//! What a subscription handled is written down in the order of its commits, as a handler's effects are.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    event::{Event, EventKey, Published, Seq},
    lane::{LANES, Lane},
    ports::{LogPage, LogRead},
    step::{RetryStep, Step},
    subscription::{
        DETACHED_KEPT, DeadLetter, Epoch, PauseReason, Progress, RetryRow, SubscriptionId, SubscriptionName,
    },
    time::UnixMs,
    topic::{Pattern, Topic},
};

/// Makes an event.
pub(crate) fn event(seq: i64, topic: &str, key: Option<&str>) -> Arc<Event> {
    let key = key.map(|key| EventKey::new(key).expect("a key"));
    let id: Arc<str> = format!("id-{seq}").into();
    Arc::new(Event {
        seq: Seq(seq),
        lane: Lane::of(key.as_ref(), &id),
        id,
        source: "test".into(),
        topic: Topic::new(topic).expect("a topic"),
        key,
        time: UnixMs(seq),
        content_type: "application/json".into(),
        payload: Arc::new([]),
        trace_parent: None,
    })
}

/// Names a subscription.
pub(crate) fn name(plugin: &str, pattern: &str) -> SubscriptionName {
    SubscriptionName { plugin: plugin.into(), pattern: Pattern::new(pattern).expect("a pattern") }
}

/// A store.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// The log, with holes between the sequences.
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) kept_from: i64,
    pub(crate) subscriptions: BTreeMap<SubscriptionName, Subscription>,
}

/// What the store holds of a subscription, and what its handler did.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) epoch: Epoch,
    pub(crate) began: Seq,
    pub(crate) cursors: [Seq; LANES],
    pub(crate) retries: BTreeMap<Seq, RetryRow>,
    pub(crate) dead: BTreeMap<Seq, DeadLetter>,
    pub(crate) paused: Option<PauseReason>,
    pub(crate) closed: Option<UnixMs>,
    /// Events whose effects came about, in the order of commits.
    pub(crate) handled: Vec<Arc<Event>>,
}

impl World {
    pub(crate) fn head(&self) -> Seq {
        self.events.last().map_or(Seq::ZERO, |event| event.seq)
    }

    /// Commits an event. The sequence leaves a hole now and then.
    pub(crate) fn publish(&mut self, topic: &str, key: Option<&str>) -> Published {
        let after = self.head();
        let event = event(after.0 + 1 + after.0 % 2, topic, key);
        self.events.push(Arc::clone(&event));
        Published { event, after }
    }

    pub(crate) fn read(&self, read: &LogRead) -> LogPage {
        let begin = self.events.partition_point(|event| event.seq <= read.after);
        let is_kept = |event: &&Arc<Event>| event.seq.0 >= self.kept_from;
        let is_meant = |event: &&Arc<Event>| {
            read.of.as_ref().is_none_or(|(lane, pattern)| event.lane == *lane && pattern.matches(&event.topic))
        };
        let mut all = self.events[begin..].iter().filter(is_kept).filter(is_meant).peekable();
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(event) = all.next_if(|event| {
            events.is_empty() || (events.len() < read.events_max && bytes + event.bytes() <= read.bytes_max)
        }) {
            bytes += event.bytes();
            events.push(Arc::clone(event));
        }
        let more = all.peek().is_some();
        let last = events.last().map_or(read.after, |event: &Arc<Event>| event.seq);
        let end = if more { last } else { self.head().max(read.after) };
        LogPage { events, end, more, kept_from: Seq(self.kept_from) }
    }

    pub(crate) fn find(&self, places: &[Seq], bytes_max: usize) -> Vec<(Seq, Option<Arc<Event>>)> {
        let mut bytes = 0;
        let found = places.iter().map(|seq| {
            let place = self.events.binary_search_by_key(seq, |event| event.seq).ok();
            let event =
                place.map(|place| Arc::clone(&self.events[place])).filter(|event| event.seq.0 >= self.kept_from);
            (*seq, event)
        });
        found
            .enumerate()
            .take_while(|(number, (_, event))| {
                bytes += event.as_ref().map_or(0, |event| event.bytes());
                *number == 0 || bytes <= bytes_max
            })
            .map(|(_, found)| found)
            .collect()
    }

    pub(crate) fn open(&mut self, name: &SubscriptionName, now: UnixMs) -> Progress {
        let (head, count) = (self.head(), self.subscriptions.len());
        let row = self.subscriptions.entry(name.clone()).or_insert_with(|| Subscription {
            id: SubscriptionId(i64::try_from(count).expect("few")),
            epoch: Epoch(0),
            began: head,
            cursors: [head; LANES],
            retries: BTreeMap::new(),
            dead: BTreeMap::new(),
            paused: None,
            closed: None,
            handled: Vec::new(),
        });
        if row.closed.take().is_some_and(|closed| now.since(closed) >= DETACHED_KEPT) {
            (row.epoch, row.began, row.cursors) = (Epoch(row.epoch.0 + 1), head, [head; LANES]);
            row.retries.clear();
            row.paused = None;
        }
        Progress {
            id: row.id,
            epoch: row.epoch,
            cursors: row.cursors,
            retries: row.retries.values().cloned().collect(),
            dead_letters: row.dead.len() as u64,
            paused: row.paused,
        }
    }

    pub(crate) fn row(&mut self, id: SubscriptionId) -> &mut Subscription {
        self.subscriptions.values_mut().find(|row| row.id == id).expect("it was opened")
    }

    /// Commits a step, and the effects of the events that are handled. Does nothing when the step is stale.
    pub(crate) fn apply(&mut self, step: &Step, handled: &[Arc<Event>]) -> bool {
        let row = self.row(step.subscription);
        let is_as_expected = row.epoch == step.epoch
            && step.cursors.iter().all(|cursor| row.cursors[usize::from(cursor.lane.number())] == cursor.from)
            && step.retries.iter().all(|retry| row.expects(retry));
        if is_as_expected {
            row.handled.extend(handled.iter().cloned());
            row.step(step);
        }
        is_as_expected
    }

    /// Moves the cursors of a subscription back, as a person asks for.
    pub(crate) fn replay(&mut self, name: &SubscriptionName, after: Seq) {
        let row = self.subscriptions.get_mut(name).expect("it was opened");
        row.epoch = Epoch(row.epoch.0 + 1);
        row.cursors = row.cursors.map(|cursor| cursor.min(after));
        row.retries.retain(|seq, _| *seq <= after);
        row.dead.retain(|seq, _| *seq <= after);
    }
}

impl Subscription {
    fn expects(&self, step: &RetryStep) -> bool {
        let attempts = |seq| self.retries.get(seq).map(|row| row.attempts);
        match step {
            RetryStep::Insert(row) => attempts(&row.seq).is_none(),
            RetryStep::Replace { attempts: before, row } => attempts(&row.seq) == Some(*before),
            RetryStep::Remove(row) => attempts(&row.seq) == Some(row.attempts),
        }
    }

    fn step(&mut self, step: &Step) {
        for cursor in &step.cursors {
            self.cursors[usize::from(cursor.lane.number())] = cursor.to;
        }
        for retry in &step.retries {
            match retry {
                RetryStep::Insert(row) | RetryStep::Replace { row, .. } => {
                    self.retries.insert(row.seq, row.clone());
                }
                RetryStep::Remove(row) => {
                    self.retries.remove(&row.seq);
                }
            }
        }
        self.dead.extend(step.dead_letters.iter().map(|dead| (dead.seq, dead.clone())));
    }
}
