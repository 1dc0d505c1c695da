//! What clients will do: random calls on few keys, the same for the same seed.
//!
//! There are keys that are set, in two ranges, and keys that are only added to. Every value is its own, and whatever a
//! call adds is a power of four of its own: what a read returns says which call it saw.

use std::ops::Range;

use crate::harness::Random;

use super::history::{Key, Value};

/// Clients of a plan. Each sends one call after the other.
pub(super) const CLIENTS: usize = 4;

/// Calls of one client.
const CALLS: usize = 6;

/// Keys of one range.
const RANGE: usize = 3;

/// Keys that are only added to: they come after the two ranges.
pub(super) const COUNTERS: Range<Key> = 2 * RANGE..2 * RANGE + 2;

/// A key that nobody may set: there is no room for it.
pub(super) const OVER_QUOTA: Key = COUNTERS.end;

/// One step of a handler.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Reads a key.
    Get(Key),
    /// Lists the range with this number.
    List(usize),
    /// Sets a key.
    Set(Key, Value),
    /// Deletes a key.
    Delete(Key),
    /// Reads a key that is added to.
    Sum(Key),
    /// Adds to a key without reading it.
    Increment(Key, i64),
    /// Waits for some microseconds, in which others may come between.
    Pause(u64),
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What its handler does.
    pub(super) ops: Vec<Op>,
    /// Whether it is sent to a route that writes.
    pub(super) writes: bool,
    /// How it ends.
    pub(super) ending: Ending,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The handler answers with a success.
    Ok,
    /// The handler answers with a problem.
    Refuses,
    /// The handler answers with a success, but the plugin may not keep as much as it wrote.
    OverQuota,
}

/// Returns the keys of a range.
pub(super) fn keys_of(range: usize) -> Range<Key> {
    range * RANGE..(range + 1) * RANGE
}

/// Returns the number of a key's range.
pub(super) fn range_of(key: Key) -> usize {
    key / RANGE
}

/// Plans the calls of every client.
pub(super) fn plan(seed: u64) -> Vec<Vec<Script>> {
    let mut random = Random::new(seed);
    // Where keys are deleted, a key that is absent says less. So some plans are without.
    let deletes = random.percent(50);
    (0..CLIENTS)
        .map(|client| (0..CALLS).map(|call| script(&mut random, client * CALLS + call, deletes)).collect())
        .collect()
}

/// Plans calls that all read one key, of which some set it and some of those then keep too much.
pub(super) fn plan_over_quota(seed: u64) -> Vec<Vec<Script>> {
    let mut random = Random::new(seed);
    let mut call = |number: usize| {
        let mut ops = vec![Op::Get(0)];
        let ending = match random.below(4) {
            0 => Ending::Ok,
            1 => Ending::Refuses,
            _ => {
                ops.push(Op::Set(0, u64::try_from(number + 1).unwrap_or_default()));
                if random.percent(50) { Ending::OverQuota } else { Ending::Ok }
            }
        };
        Script { ops, writes: true, ending }
    };
    (0..2 * CLIENTS).map(|client| (0..2 * CALLS).map(|number| call(client * 2 * CALLS + number)).collect()).collect()
}

fn script(random: &mut Random, call: usize, deletes: bool) -> Script {
    let writes = random.percent(75);
    let ending = if random.percent(10) { Ending::Refuses } else { Ending::Ok };
    let mut ops = Vec::new();
    for step in 0..1 + random.below(4) {
        let value = u64::try_from(call * 100 + step + 1).unwrap_or_default();
        let key = random.below(2 * RANGE);
        match random.below(if writes { 11 } else { 6 }) {
            0 | 1 => ops.push(Op::Get(key)),
            2 | 3 => ops.push(Op::List(random.below(2))),
            4 => ops.push(Op::Sum(COUNTERS.start + random.below(2))),
            5 => ops.push(Op::Pause(u64::try_from(random.below(300)).unwrap_or_default())),
            6..9 => ops.extend([Op::Get(key), Op::Set(key, value)]),
            9 if deletes => ops.push(Op::Delete(key)),
            9 => ops.push(Op::Set(key, value)),
            _ => {
                let counter = COUNTERS.start + random.below(2);
                let is_first = !ops.iter().any(|op| matches!(op, Op::Increment(other, _) if *other == counter));
                ops.extend(
                    is_first.then(|| Op::Increment(counter, 4_i64.pow(u32::try_from(call).unwrap_or_default()))),
                );
            }
        }
    }
    Script { ops, writes, ending }
}
