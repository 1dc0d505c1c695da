//! Random histories of everything that is done to events, against a model that is too simple to be wrong.
//!
//! Some batches fail on purpose; the model forgets them too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use diesel::connection::SimpleConnection as _;

use super::{
    event_fixture::{Told, event, given, telling},
    fixture::{Fixture, empty, increment},
};
use crate::{
    Commit, CommitError, Committed, Pending, Space, StoreError,
    events::{
        CursorStep, DeadLetter, NewEvent, Problem, ReplayFrom, RetentionLimits, RetryRow, RetryStep, Step, Topics,
        drop_dead_letters, event_head, open_subscription, replay_subscription, retry_dead_letters,
    },
};

const ROUNDS: usize = 400;
const LANES: u64 = 3;

/// A generator of numbers that look random (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % sides).cast_signed()
    }
}

/// What ought to be in the database.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    head: i64,
    /// Id and lane.
    log: BTreeMap<i64, (String, u8)>,
    given: BTreeMap<String, i64>,
    subscriptions: BTreeMap<i64, Subscription>,
    /// How often a commit with a step was written.
    effects: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Subscription {
    epoch: i64,
    cursors: [i64; 16],
    retries: BTreeMap<i64, u32>,
    dead: BTreeSet<i64>,
}

impl Model {
    fn publish(&mut self, events: &[NewEvent]) -> Vec<i64> {
        let mut places = Vec::new();
        for event in events {
            if let Some(place) = self.given.get(&*event.id).filter(|_| event.is_given) {
                places.push(*place);
                continue;
            }
            self.head += 1;
            self.log.insert(self.head, (event.id.to_string(), event.lane));
            if event.is_given {
                self.given.insert(event.id.to_string(), self.head);
            }
            places.push(self.head);
        }
        places
    }

    /// Returns whether the step holds; then it is applied.
    fn step(&mut self, step: &Step) -> bool {
        let Some(before) = self.subscriptions.get(&step.subscription) else { return false };
        let mut after = before.clone();
        let mut holds = before.epoch == step.epoch;
        for cursor in &step.cursors {
            let place = &mut after.cursors[usize::from(cursor.lane)];
            holds &= *place == cursor.from;
            *place = cursor.to;
        }
        for retry in &step.retries {
            let (seq, expected, now) = match retry {
                RetryStep::Insert(row) => (row.seq, None, Some(row.attempts)),
                RetryStep::Replace { attempts, row } => (row.seq, Some(*attempts), Some(row.attempts)),
                RetryStep::Remove { seq, attempts } => (*seq, Some(*attempts), None),
            };
            holds &= after.retries.get(&seq).copied() == expected;
            match now {
                Some(attempts) => drop(after.retries.insert(seq, attempts)),
                None => drop(after.retries.remove(&seq)),
            }
        }
        after.dead.extend(step.dead_letters.iter().map(|dead| dead.seq));
        if holds {
            self.subscriptions.insert(step.subscription, after);
        }
        holds
    }

    fn collect(&mut self) {
        let floor = self.subscriptions.values().flat_map(|one| one.cursors).min().unwrap_or(i64::MAX);
        let named =
            |seq: &i64| self.subscriptions.values().any(|one| one.retries.contains_key(seq) || one.dead.contains(seq));
        let gone: Vec<i64> = self.log.keys().filter(|seq| **seq <= floor && !named(seq)).copied().collect();
        for seq in gone {
            self.log.remove(&seq);
            self.given.retain(|_, place| *place != seq);
        }
    }
}

struct World {
    fixture: Fixture,
    told: Told,
    space: Arc<Space>,
    model: Model,
    dice: Dice,
    ids: u64,
}

impl World {
    fn event(&mut self) -> NewEvent {
        let lane = u8::try_from(self.dice.roll(LANES)).unwrap();
        self.ids += 1;
        let new = if self.dice.roll(3) == 0 {
            given("ann", "/s", &format!("given-{}", self.dice.roll(12)))
        } else {
            event(&self.ids.to_string())
        };
        NewEvent { lane, ..new }
    }

    /// A step that mostly expects what is so.
    fn step(&mut self) -> Option<Step> {
        let ids: Vec<i64> = self.model.subscriptions.keys().copied().collect();
        let id = *ids.get(usize::try_from(self.dice.roll(ids.len().max(1) as u64)).unwrap())?;
        let one = self.model.subscriptions[&id].clone();
        let wrong = |dice: &mut Dice| i64::from(dice.roll(12) == 0);
        let lane = u8::try_from(self.dice.roll(LANES)).unwrap();
        let from = one.cursors[usize::from(lane)];
        let to = from + self.dice.roll((self.model.head - from).max(0).unsigned_abs() + 1);
        let cursor = CursorStep { lane, from: from + wrong(&mut self.dice), to };
        let mut step = Step {
            subscription: id,
            epoch: one.epoch - wrong(&mut self.dice),
            cursors: vec![cursor],
            retries: Vec::new(),
            dead_letters: Vec::new(),
        };
        let row = |seq, attempts| RetryRow { seq, key: None, attempts, due_ms: 0, problem: None };
        match self.dice.roll(4) {
            0 if to > from => step.retries.push(RetryStep::Insert(row(to, 1))),
            1 => {
                if let Some((seq, attempts)) = one.retries.first_key_value() {
                    let attempts = attempts + u32::try_from(wrong(&mut self.dice)).unwrap();
                    step.retries.push(RetryStep::Replace { attempts, row: row(*seq, attempts + 1) });
                }
            }
            2 => {
                if let Some((seq, attempts)) = one.retries.last_key_value() {
                    step.retries.push(RetryStep::Remove { seq: *seq, attempts: *attempts });
                    let problem = Problem { code: "c".into(), message: "m".into() };
                    step.dead_letters.push(DeadLetter { seq: *seq, key: None, attempts: 9, at_ms: 0, problem });
                }
            }
            _ => {}
        }
        Some(step)
    }

    fn submit_commit(&mut self) -> (Pending<Committed, CommitError>, Option<Vec<i64>>) {
        let events: Vec<_> = (0..self.dice.roll(4)).map(|_| self.event()).collect();
        let step = if self.dice.roll(2) == 0 { self.step() } else { None };
        let mut after = self.model.clone();
        let holds = step.as_ref().is_none_or(|step| after.step(step));
        after.effects += i64::from(step.is_some());
        let writes = step.iter().map(|_| increment("effects", 1)).collect();
        let expected = holds.then(|| after.publish(&events));
        if holds {
            self.model = after;
        }
        let commit = Commit { events, step, writes, ..empty(&self.space) };
        (self.fixture.store.commit(commit).unwrap(), expected)
    }

    /// Some commits of one space, in one batch or several, all of which may fail.
    fn commits(&mut self) {
        let before = self.model.clone();
        let held = self.fixture.hold_writer();
        let pending: Vec<_> = (0..self.dice.roll(6)).map(|_| self.submit_commit()).collect();
        let fails = self.dice.roll(6) == 0;
        let spoiled = fails.then(|| self.fixture.store.write(spoil));
        drop(held);
        let outcomes: Vec<_> = pending.into_iter().map(|(pending, expected)| (pending.wait(), expected)).collect();
        if spoiled.is_some_and(|spoiled| spoiled.wait().is_err()) && !outcomes.is_empty() {
            assert!(outcomes.iter().all(|(outcome, _)| matches!(outcome, Err(CommitError::Unavailable(_)))));
            self.model = before;
            return;
        }
        for (outcome, expected) in outcomes {
            match expected {
                Some(places) => assert_eq!(outcome.unwrap().events, places),
                None => assert!(matches!(outcome, Err(CommitError::Stale)), "{outcome:?}"),
            }
        }
    }

    fn by_hand(&mut self) {
        let ids: Vec<i64> = self.model.subscriptions.keys().copied().collect();
        let Some(id) = ids.get(usize::try_from(self.dice.roll(ids.len().max(1) as u64)).unwrap()).copied() else {
            return;
        };
        let place = self.dice.roll(self.model.head.unsigned_abs() + 1);
        let what = self.dice.roll(3);
        let Model { log, subscriptions, .. } = &mut self.model;
        let one = subscriptions.get_mut(&id).unwrap();
        match what {
            0 => {
                self.fixture.change(move |c| replay_subscription(c, id, ReplayFrom::After(place)));
                one.epoch += 1;
                one.cursors = one.cursors.map(|cursor| cursor.min(place));
                one.retries.retain(|seq, _| *seq <= place);
                one.dead.retain(|seq| *seq <= place);
            }
            1 => {
                self.fixture.change(move |c| retry_dead_letters(c, id, None));
                for seq in std::mem::take(&mut one.dead) {
                    let lane = log.get(&seq).map(|(_, lane)| usize::from(*lane));
                    if lane.is_none_or(|lane| seq <= one.cursors[lane]) {
                        one.retries.entry(seq).or_insert(0);
                    }
                }
            }
            _ => {
                self.fixture.change(move |c| drop_dead_letters(c, id, None));
                one.dead.clear();
            }
        }
    }

    fn open(&mut self, plugin: &'static str) {
        let opened = self.fixture.open(plugin, "*", 0);
        let head = self.model.head;
        let new = Subscription { epoch: 0, cursors: [head; 16], retries: BTreeMap::new(), dead: BTreeSet::new() };
        self.model.subscriptions.entry(opened.id).or_insert(new);
    }

    fn check(&self) {
        let log: BTreeMap<_, _> =
            self.fixture.log().into_iter().map(|event| (event.seq, (event.id.to_string(), event.lane))).collect();
        assert_eq!(log, self.model.log);
        assert_eq!(self.fixture.store.read(event_head).unwrap(), self.model.head);
        for lane in 0..u8::try_from(LANES).unwrap() {
            let page = self.fixture.page(Some(lane), Topics::All, 0);
            let expected = self.model.log.iter().filter(|(_, event)| event.1 == lane).map(|(seq, _)| *seq);
            assert!(page.events.iter().map(|event| event.seq).eq(expected));
        }
        for (plugin, (id, expected)) in PLUGINS.iter().zip(&self.model.subscriptions) {
            let found = self.fixture.store.write(|c| open_subscription(c, plugin, "*", 0)).wait().unwrap();
            assert_eq!((found.id, found.epoch, found.cursors), (*id, expected.epoch, expected.cursors));
            let retries: BTreeMap<_, _> = found.retries.iter().map(|row| (row.seq, row.attempts)).collect();
            assert_eq!((retries, found.dead_letters), (expected.retries.clone(), expected.dead.len() as u64));
        }
        let effects = self.fixture.value(&self.space, "effects", 0).map_or(0, |value| value.parse().unwrap());
        assert_eq!(effects, self.model.effects);
    }
}

const PLUGINS: [&str; 3] = ["a", "b", "c"];

fn spoil(connection: &mut crate::Connection) -> Result<(), StoreError> {
    connection.batch_execute("PRAGMA defer_foreign_keys = ON; INSERT INTO usage VALUES (999, 0, 0)")?;
    Ok(())
}

fn run(seed: u64) {
    let (fixture, told) = telling(|options| options.switches.batch_time_max = std::time::Duration::from_secs(60));
    let space = fixture.space("a");
    let mut world = World { fixture, told, space, model: Model::default(), dice: Dice(seed), ids: 0 };
    let (mut opened, mut ever) = (0, 0);
    for _ in 0..ROUNDS {
        match world.dice.roll(10) {
            0 if opened < PLUGINS.len() => {
                world.open(PLUGINS[opened]);
                opened += 1;
            }
            1 => world.by_hand(),
            2 => {
                world.fixture.retain(RetentionLimits { age_ms: 0, bytes: 0 }, 1);
                world.model.collect();
            }
            _ => world.commits(),
        }
        world.check();
        ever = ever.max(world.model.log.len());
    }
    // Every event was told once, in order, each with the one before it.
    let told = world.told.lock().unwrap().concat();
    let places: Vec<_> = told.iter().map(|published| (published.after, published.event.seq)).collect();
    let expected: Vec<_> = (1..=world.model.head).map(|seq| (seq - 1, seq)).collect();
    assert_eq!(places, expected);
    assert!(ever > 20 && world.model.effects > 50 && opened == PLUGINS.len(), "nothing happened");
}

#[test]
fn what_is_kept_is_what_the_model_keeps() {
    [0x9e37_79b9_7f4a_7c15, 0xdead_beef_0bad_cafe, 42].into_iter().for_each(run);
}
