//! Runs a plan on a server, and writes down what the clients saw.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Connection, Server};

use super::{
    history::{Call, Key, Step, Value},
    plan::{COUNTERS, Ending, OVER_QUOTA, Op, Script, keys_of, range_of},
};

/// Runs the calls of every client, all at the same time. Keys are below `place`, so that plans do not meet.
#[track_caller]
pub(super) fn run(server: &Server, place: &str, plan: &[Vec<Script>]) -> Vec<Call> {
    let clock = &AtomicU64::new(0);
    thread::scope(|scope| {
        let client = |scripts: &[Script]| {
            let mut connection = Connection::open(server);
            scripts.iter().map(|script| send(&mut connection, place, script, clock)).collect::<Vec<_>>()
        };
        let clients: Vec<_> = plan.iter().map(|scripts| scope.spawn(move || client(scripts))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("every client ends")).collect()
    })
}

fn send(connection: &mut Connection, place: &str, script: &Script, clock: &AtomicU64) -> Call {
    let mut steps: Vec<_> = script.ops.iter().map(|op| to_json(place, *op)).collect();
    match script.ending {
        Ending::Ok => {}
        Ending::Refuses => steps.push(json!("refuse")),
        Ending::OverQuota => steps.push(json!({"set": [name(place, OVER_QUOTA), ""]})),
    }
    let steps = Json::Array(steps);
    let invoked = clock.fetch_add(1, Ordering::SeqCst);
    let answer = if script.writes { connection.script(&steps) } else { connection.look(&steps) };
    let answered = clock.fetch_add(1, Ordering::SeqCst);
    let seen = read(&answer.expect("the server answers"), script.ending);
    let steps = script.ops.iter().zip(&seen).flat_map(|(op, seen)| to_steps(place, *op, seen)).collect();
    Call { invoked, answered, committed: script.ending == Ending::Ok, steps }
}

/// Returns what each step of a call saw; nothing of a call over its quota, whose answer the host threw away.
#[track_caller]
fn read(answer: &Answer, ending: Ending) -> Vec<Json> {
    let seen = match (answer.status, ending) {
        (200, Ending::Ok) => Some(answer.json()),
        (409, Ending::Refuses) => answer.json()["detail"].as_str().and_then(|detail| serde_json::from_str(detail).ok()),
        (507, Ending::OverQuota) => Some(json!([])),
        _ => None,
    };
    let seen = seen.as_ref().and_then(Json::as_array);
    seen.unwrap_or_else(|| panic!("{ending:?}, but {} {}", answer.status, answer.text())).clone()
}

fn name(place: &str, key: Key) -> String {
    if COUNTERS.contains(&key) { format!("{place}/n/{key}") } else { format!("{place}/{}/{key}", range_of(key)) }
}

fn to_json(place: &str, op: Op) -> Json {
    let name = |key| name(place, key);
    match op {
        Op::Get(key) | Op::Sum(key) => json!({"get": name(key)}),
        Op::List(range) => json!({"list": format!("{place}/{range}/")}),
        Op::Set(key, value) => json!({"set": [name(key), value.to_string()]}),
        Op::Delete(key) => json!({"delete": name(key)}),
        Op::Increment(key, by) => json!({"increment": [name(key), by]}),
        Op::Pause(micros) => json!({"pause": micros}),
    }
}

#[track_caller]
fn to_steps(place: &str, op: Op, seen: &Json) -> Vec<Step> {
    let number = |text: &str| text.parse::<i64>().unwrap_or_else(|error| panic!("{text} in {seen}: {error}"));
    match op {
        Op::Get(key) => vec![Step::Read(key, seen.as_str().map(|text| number(text).cast_unsigned()))],
        Op::Sum(key) => vec![Step::Sum(key, seen.as_str().map_or(0, number))],
        Op::Set(key, value) => vec![Step::Write(key, Some(value))],
        Op::Delete(key) => vec![Step::Write(key, None)],
        Op::Increment(key, by) => vec![Step::Add(key, by)],
        Op::Pause(_) => Vec::new(),
        Op::List(range) => {
            let entries: Vec<(String, String)> = serde_json::from_value(seen.clone()).expect("a list of entries");
            let mut found: BTreeMap<String, Value> =
                entries.into_iter().map(|(key, value)| (key, number(&value).cast_unsigned())).collect();
            let reads = keys_of(range).map(|key| Step::Read(key, found.remove(&name(place, key)))).collect();
            assert!(found.is_empty(), "not in the range: {found:?}");
            reads
        }
    }
}
