//! What clients saw: calls with what they read and wrote, and when they began and ended.
//!
//! Every write of a history has a value of its own, so that a read says which call it read from. A key is either written
//! with such values or only added to. What a call adds is a power of four, or its negative, that no other call adds to
//! that key: so a sum says which calls are in it, and whether one is in it twice.

use std::collections::BTreeMap;

/// A key, by its number.
pub(super) type Key = usize;

/// A value, by its number.
pub(super) type Value = u64;

/// One call of one client.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it was sent, in ticks of a clock that all clients share.
    pub(super) invoked: u64,
    /// When its answer was there.
    pub(super) answered: u64,
    /// Whether the client was told that what it wrote is there. If not, nothing of it is; but what it read must be right
    /// all the same, because the answer depended on it.
    pub(super) committed: bool,
    /// What it did, in its order.
    pub(super) steps: Vec<Step>,
}

/// What a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read a key, by itself or in a range.
    Read(Key, Option<Value>),
    /// Set a key, or deleted it.
    Write(Key, Option<Value>),
    /// Read a key that is only added to, as the difference to what it was at the beginning.
    Sum(Key, i64),
    /// Added a power of four, or its negative.
    Add(Key, i64),
}

/// What others see of a call, and what it saw of others.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// The last value of each key that it wrote.
    pub(super) written: BTreeMap<Key, Option<Value>>,
    /// What it added.
    pub(super) added: BTreeMap<Key, i64>,
    /// What it read that was not its own.
    pub(super) read: BTreeMap<Key, Option<Value>>,
    /// The sums that it read, without what it had added itself.
    pub(super) sums: BTreeMap<Key, i64>,
}

impl Call {
    /// Separates what a call wrote from what it saw of others. `None` when it saw two states, or not its own writes.
    pub(super) fn effect(&self) -> Option<Effect> {
        let mut effect = Effect::default();
        for step in &self.steps {
            match *step {
                Step::Write(key, value) => drop(effect.written.insert(key, value)),
                Step::Read(key, value) => {
                    let Effect { written, read, .. } = &mut effect;
                    let expected = written.get(&key).unwrap_or_else(|| read.entry(key).or_insert(value));
                    if *expected != value {
                        return None;
                    }
                }
                Step::Add(key, amount) => *effect.added.entry(key).or_default() += amount,
                Step::Sum(key, sum) => {
                    let of_others = sum - effect.added.get(&key).copied().unwrap_or_default();
                    if *effect.sums.entry(key).or_insert(of_others) != of_others {
                        return None;
                    }
                }
            }
        }
        if !self.committed {
            effect.written.clear();
            effect.added.clear();
        }
        Some(effect)
    }
}
