//! Stores in memory, a right one and wrong ones: on what the wrong ones do, the checker must fail.
//!
//! A plan's calls run interleaved step by step, in an order that the seed gives. So it is shown of the plans that they
//! provoke each anomaly, and of the checker that it finds each in what the plans leave behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::Random;

use super::{
    check::check,
    history::{Call, Key, Step},
    plan::{Ending, Op, Script, keys_of, plan},
};

/// What a store checks before it commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validation {
    /// Everything that was read.
    All,
    /// Everything but keys that were not there when a range was listed.
    NoPhantoms,
    /// That nobody wrote the same keys: snapshot isolation.
    WritesOnly,
    /// Nothing.
    Nothing,
    /// Nothing, and reads see the newest state and not one snapshot.
    NoSnapshot,
    /// All that was read, but what is discarded stays.
    KeepsDiscarded,
}

/// A key's states, each from a commit on.
type States = BTreeMap<Key, Vec<(usize, Option<i64>)>>;

struct Model {
    validation: Validation,
    states: States,
    commits: usize,
}

/// A call that runs.
struct Run {
    script: Script,
    invoked: u64,
    next: usize,
    snapshot: Option<usize>,
    steps: Vec<Step>,
    read: BTreeSet<Key>,
    /// Keys that were listed and not there.
    absent: BTreeSet<Key>,
    written: BTreeMap<Key, Option<i64>>,
    added: BTreeMap<Key, i64>,
}

impl Run {
    fn new(script: Script, invoked: u64) -> Self {
        Self {
            script,
            invoked,
            next: 0,
            snapshot: None,
            steps: Vec::new(),
            read: BTreeSet::new(),
            absent: BTreeSet::new(),
            written: BTreeMap::new(),
            added: BTreeMap::new(),
        }
    }
}

impl Model {
    fn at(&self, key: Key, commit: usize) -> Option<i64> {
        let states = self.states.get(&key)?;
        states.iter().rev().find(|(from, _)| *from <= commit).and_then(|(_, state)| *state)
    }

    fn changed(&self, key: Key, since: usize) -> bool {
        self.states.get(&key).and_then(|states| states.last()).is_some_and(|(from, _)| *from > since)
    }

    fn take(&self, run: &mut Run, op: Op) {
        let newest = self.validation == Validation::NoSnapshot;
        let snapshot = if newest { self.commits } else { *run.snapshot.get_or_insert(self.commits) };
        match op {
            Op::Get(key) => {
                run.read.insert(key);
                self.read(run, key, snapshot);
            }
            Op::List(range) => {
                for key in keys_of(range) {
                    let is_there = self.at(key, snapshot).is_some();
                    if is_there { &mut run.read } else { &mut run.absent }.insert(key);
                    self.read(run, key, snapshot);
                }
            }
            Op::Set(key, value) => {
                run.written.insert(key, Some(value.cast_signed()));
                run.steps.push(Step::Write(key, Some(value)));
            }
            Op::Delete(key) => {
                run.written.insert(key, None);
                run.steps.push(Step::Write(key, None));
            }
            Op::Sum(key) => {
                run.read.insert(key);
                let own = run.added.get(&key).copied().unwrap_or_default();
                run.steps.push(Step::Sum(key, self.at(key, snapshot).unwrap_or_default() + own));
            }
            Op::Increment(key, by) => {
                run.added.insert(key, by);
                run.steps.push(Step::Add(key, by));
            }
            Op::Pause(_) => {}
        }
    }

    fn read(&self, run: &mut Run, key: Key, snapshot: usize) {
        let value = run.written.get(&key).copied().unwrap_or_else(|| self.at(key, snapshot));
        run.steps.push(Step::Read(key, value.map(i64::cast_unsigned)));
    }

    /// Commits, or says that the call must run again.
    fn commit(&mut self, run: &Run) -> bool {
        let since = run.snapshot.unwrap_or(self.commits);
        let writes = !run.written.is_empty() || !run.added.is_empty();
        let changed = |key: &Key| self.changed(*key, since);
        let is_stale = writes
            && match self.validation {
                Validation::All | Validation::KeepsDiscarded => run.read.union(&run.absent).any(changed),
                Validation::NoPhantoms => run.read.iter().any(changed),
                Validation::WritesOnly => run.written.keys().any(changed),
                Validation::Nothing | Validation::NoSnapshot => false,
            };
        if is_stale {
            return false;
        }
        if run.script.ending == Ending::Ok || self.validation == Validation::KeepsDiscarded {
            self.commits += 1;
            for (key, value) in &run.written {
                self.states.entry(*key).or_default().push((self.commits, *value));
            }
            for (key, by) in &run.added {
                let sum = self.at(*key, self.commits).unwrap_or_default() + by;
                self.states.entry(*key).or_default().push((self.commits, Some(sum)));
            }
        }
        true
    }
}

/// Runs a plan on a store, and returns what its clients saw.
fn simulate(seed: u64, validation: Validation) -> Vec<Call> {
    let mut model = Model { validation, states: States::new(), commits: 0 };
    let mut waiting: Vec<_> = plan(seed).into_iter().map(Vec::into_iter).collect();
    let mut running: Vec<_> =
        waiting.iter_mut().map(|scripts| scripts.next().map(|script| Run::new(script, 0))).collect();
    let (mut history, mut random, mut tick) = (Vec::new(), Random::new(!seed), 0);
    while running.iter().any(Option::is_some) {
        tick += 1;
        let client = random.below(running.len());
        let Some(run) = &mut running[client] else { continue };
        if let Some(op) = run.script.ops.get(run.next).copied() {
            run.next += 1;
            model.take(run, op);
        } else if model.commit(run) {
            let Run { invoked, script, steps, .. } = running[client].take().expect("it runs");
            history.push(Call { invoked, answered: tick, committed: script.ending == Ending::Ok, steps });
            running[client] = waiting[client].next().map(|script| Run::new(script, tick + 1));
        } else {
            *run = Run::new(run.script.clone(), run.invoked);
        }
    }
    history
}

/// Checks that something is found in a good part of what a wrong store does.
#[track_caller]
fn check_finds(wrong: Validation) {
    let found = (0..SEEDS).filter(|seed| check(&simulate(*seed, wrong)).is_err()).count();
    assert!(found > 50, "something is found in only {found} of {SEEDS} plans");
}

const SEEDS: u64 = 500;

#[test]
fn finds_nothing_where_everything_is_checked() {
    for seed in 0..SEEDS {
        let history = simulate(seed, Validation::All);
        assert_eq!(check(&history), Ok(()), "seed {seed}: {history:#?}");
    }
}

#[test]
fn finds_phantoms_where_absent_keys_are_not_checked() {
    check_finds(Validation::NoPhantoms);
}

#[test]
fn finds_write_skew_where_only_writes_are_checked() {
    check_finds(Validation::WritesOnly);
}

#[test]
fn finds_lost_updates_where_nothing_is_checked() {
    check_finds(Validation::Nothing);
}

#[test]
fn finds_two_states_where_there_is_no_snapshot() {
    check_finds(Validation::NoSnapshot);
}

#[test]
fn finds_discarded_writes_where_they_stay() {
    check_finds(Validation::KeepsDiscarded);
}
