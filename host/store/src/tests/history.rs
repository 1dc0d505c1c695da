//! What transactions did, and whether it could have happened one after another.
//!
//! Every commit says its version, so the order is known and need not be searched for: the transactions are run again
//! in the order of their versions, and each must have seen what that run shows it.

use std::collections::BTreeMap;

/// Version and end of a key.
pub(super) type Held = (i64, Option<i64>);

/// A read that a committed transaction rests on.
#[derive(Debug, Clone)]
pub(super) enum Observed {
    /// The version of a key, `None` where it was absent.
    Key(String, Option<i64>),
    /// The keys and versions from the first to before the second.
    Range(String, String, Vec<(String, i64)>),
}

/// A write of a committed transaction: what the key holds after it.
#[derive(Debug, Clone)]
pub(super) enum Wrote {
    Set(String, Option<i64>),
    Delete(String),
    /// Keeps the end of a key that is there.
    Increment(String),
    /// Everything is gone whose time is over.
    Collect,
}

/// A transaction that was committed.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) version: i64,
    pub(super) now_ms: i64,
    pub(super) observed: Vec<Observed>,
    pub(super) wrote: Vec<Wrote>,
}

/// Runs the events one after another. Returns what the keys hold then, or what one event cannot have seen.
pub(super) fn replay(mut events: Vec<Event>) -> Result<BTreeMap<String, Held>, String> {
    events.sort_by_key(|event| event.version);
    let mut state: BTreeMap<String, Held> = BTreeMap::new();
    let mut last = 0;
    for event in events {
        if event.version <= last {
            return Err(format!("version {} was given twice", event.version));
        }
        last = event.version;
        let is_live = |held: &Held| held.1.is_none_or(|end| end > event.now_ms);
        for observed in &event.observed {
            let holds = match observed {
                Observed::Key(key, version) => {
                    state.get(key).filter(|held| is_live(held)).map(|held| held.0) == *version
                }
                Observed::Range(from, to, rows) => {
                    let live = state.range(from.clone()..to.clone()).filter(|(_, held)| is_live(held));
                    live.map(|(key, held)| (key.clone(), held.0)).collect::<Vec<_>>() == *rows
                }
            };
            if !holds {
                return Err(format!("version {} cannot have seen {observed:?}", event.version));
            }
        }
        for wrote in event.wrote {
            match wrote {
                Wrote::Set(key, end) => drop(state.insert(key, (event.version, end))),
                Wrote::Delete(key) => drop(state.remove(&key)),
                Wrote::Collect => state.retain(|_, held| is_live(held)),
                Wrote::Increment(key) => {
                    let end = state.get(&key).filter(|held| is_live(held)).and_then(|held| held.1);
                    state.insert(key, (event.version, end));
                }
            }
        }
    }
    Ok(state)
}

fn event(version: i64, observed: Vec<Observed>, wrote: Vec<Wrote>) -> Event {
    Event { version, now_ms: 0, observed, wrote }
}

fn key(key: &str, version: Option<i64>) -> Observed {
    Observed::Key(key.into(), version)
}

fn set(key: &str) -> Wrote {
    Wrote::Set(key.into(), None)
}

#[test]
fn a_serial_history_is_one() {
    let history = vec![
        event(2, vec![key("x", Some(1))], vec![set("y")]),
        event(1, vec![key("x", None)], vec![set("x")]),
        event(3, vec![Observed::Range("a".into(), "z".into(), vec![("x".into(), 1), ("y".into(), 2)])], vec![]),
    ];
    assert_eq!(replay(history).unwrap().len(), 2);
}

#[test]
fn a_lost_update_is_found() {
    let history = vec![
        event(1, vec![], vec![set("x")]),
        event(2, vec![key("x", Some(1))], vec![set("x")]),
        event(3, vec![key("x", Some(1))], vec![set("x")]),
    ];
    assert!(replay(history).is_err());
}

#[test]
fn write_skew_is_found() {
    let history = vec![
        event(1, vec![key("x", None), key("y", None)], vec![set("x")]),
        event(2, vec![key("x", None), key("y", None)], vec![set("y")]),
    ];
    assert!(replay(history).is_err());
}

#[test]
fn a_phantom_is_found() {
    let nothing = || Observed::Range("a".into(), "z".into(), vec![]);
    let history = vec![event(1, vec![nothing()], vec![set("x")]), event(2, vec![nothing()], vec![set("y")])];
    assert!(replay(history).is_err());
}
