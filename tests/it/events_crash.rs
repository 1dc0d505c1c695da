//! Killed at any moment, a server delivers every event that it acknowledged, once in effect, and in the order of its key.
//!
//! Clients publish over HTTP and by a plugin's handler, each with a key of its own, and number what they publish. The
//! subscriber counts in its own keys, fails and traps by chance after it counted, and publishes what it counted for
//! another subscription to count. Meanwhile it is swapped and rolled back. Since it is told every event's number, it sees
//! itself what is lost, doubled or out of order.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::harness::{
    Connection, Counted, Random, Server, Setup, StopOnDrop, administrators_token, put_file, rebuilt, repeats, sha256,
    wait_until,
};

/// Clients that publish over HTTP, and as many that let a handler publish.
const CLIENTS: usize = 3;

/// Most answers that a server gives before it is killed.
const ANSWERS_MAX: usize = 150;

/// How often the server is killed. More by the variable `BACKPLANE_TEST_EVENT_CRASH_CYCLES`.
const CYCLES: usize = 25;

/// The plugin that counts.
const LEDGER: &str = "events-ledger";

/// What the publishers know of all lives of the server.
#[derive(Debug, Default)]
struct Published {
    /// By key: the number of the last event that was acknowledged.
    acknowledged: BTreeMap<String, u64>,
    /// Requests whose answer never came.
    unanswered: usize,
    /// Versions of the ledger that went live while events came, and how many of them by a rollback.
    swaps: usize,
    rollbacks: usize,
}

impl Published {
    #[track_caller]
    fn acknowledge(&mut self, key: &str, number: u64) {
        let before = self.acknowledged.insert(key.to_owned(), number);
        assert!(before < Some(number), "{key} was acknowledged up to {before:?}, and then {number}");
    }
}

/// What is published, but for the number.
fn entry() -> Value {
    json!({"fails": 15, "traps": 2, "echo": true})
}

/// Lets publishers publish and the ledger be swapped until `answers` of them are acknowledged, and kills the server.
fn publish_and_kill(server: Server, published: &mut Published, answers: usize, random: &mut Random) -> Setup {
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let life = Mutex::new(std::mem::take(published));
    let (address, folder) = (server.address().to_owned(), server.folder());
    let (seed, moment) = (random.below(1 << 30) as u64, random.below(3000));
    let setup = thread::scope(|scope| {
        let _stop = StopOnDrop(&over);
        let (answered, over, life, address, folder) = (&answered, &over, &life, &address, &folder);
        for number in 0..CLIENTS {
            scope.spawn(move || publish_over_http(address, &http_key(number), life, answered));
            scope.spawn(move || publish_by_handler(address, &handler_key(number), life, answered));
        }
        scope.spawn(move || change_versions(address, folder, &mut Random::new(seed), over, life));
        wait_until("some answers", || answered.load(Ordering::Relaxed) >= answers);
        // An answer follows a commit: this gets away from that moment.
        (0..moment).for_each(|_| thread::yield_now());
        server.kill()
    });
    *published = life.into_inner().unwrap_or_else(PoisonError::into_inner);
    setup
}

fn http_key(client: usize) -> String {
    format!("http-{client}")
}

fn handler_key(client: usize) -> String {
    format!("handler-{client}")
}

fn note(life: &Mutex<Published>, note: impl FnOnce(&mut Published)) {
    note(&mut life.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Publishes one event after the other under its own ids, so that one whose answer never came can be sent again.
fn publish_over_http(address: &str, key: &str, life: &Mutex<Published>, answered: &AtomicUsize) {
    let mut number = 0;
    note(life, |published| number = published.acknowledged.get(key).copied().unwrap_or_default());
    let Some(mut connection) = Connection::try_open(address) else { return };
    loop {
        number += 1;
        if !send_numbered(&mut connection, key, number) {
            return note(life, |published| published.unanswered += 1);
        }
        note(life, |published| published.acknowledge(key, number));
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends an event over HTTP, and returns whether it was acknowledged or the server is gone.
fn send_numbered(connection: &mut Connection, key: &str, number: u64) -> bool {
    let token = administrators_token();
    let mut data = entry();
    data["number"] = json!(number);
    let headers = format!(
        "authorization: Bearer {token}\r\ncontent-type: application/json\r\nce-specversion: 1.0\r\n\
         ce-id: {key}-{number}\r\nce-source: /tests\r\nce-type: ledger.http\r\nce-partitionkey: {key}\r\n"
    );
    let body = data.to_string();
    let Some(answer) = connection.call("POST", "/api/events/ledger.http", &headers, body.as_bytes()) else {
        return false;
    };
    assert_eq!(answer.status, 202, "{}", answer.text());
    true
}

/// Lets a handler publish one event after the other. It counts them itself, so what nobody answered is counted too.
fn publish_by_handler(address: &str, key: &str, life: &Mutex<Published>, answered: &AtomicUsize) {
    let Some(mut connection) = Connection::try_open(address) else { return };
    let (path, body) = (format!("/events-source/{key}"), entry().to_string());
    loop {
        let headers = "content-type: application/json\r\n";
        let Some(answer) = connection.call("POST", &path, headers, body.as_bytes()) else {
            return note(life, |published| published.unanswered += 1);
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let number = answer.json().as_u64().expect("a number");
        note(life, |published| published.acknowledge(key, number));
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Swaps the ledger and rolls it back, until the server is gone.
fn change_versions(address: &str, folder: &Path, random: &mut Random, over: &AtomicBool, life: &Mutex<Published>) {
    let Some(mut connection) = Connection::try_open(address) else { return };
    let authorization = format!("authorization: Bearer {}\r\n", administrators_token());
    while !over.load(Ordering::Relaxed) {
        if random.percent(30) {
            let path = format!("/api/plugins/{LEDGER}/rollback");
            let Some(answer) = connection.call("POST", &path, &authorization, b"") else { return };
            // There may be no version to go back to.
            if answer.status == 200 {
                note(life, |published| published.rollbacks += 1);
            }
            continue;
        }
        let component = rebuilt(LEDGER, u8::try_from(random.below(8)).unwrap_or_default());
        let hash = sha256(&component);
        put_file(folder, &format!("{LEDGER}.wasm"), &component);
        while !over.load(Ordering::Relaxed) {
            let Some(answer) = connection.call("GET", &format!("/api/plugins/{LEDGER}"), &authorization, b"") else {
                return;
            };
            if answer.text().contains(&hash) {
                note(life, |published| published.swaps += 1);
                break;
            }
            thread::yield_now();
        }
    }
}

/// Settles what nobody answered, and returns what a ledger must have counted in the end.
#[track_caller]
fn settle(server: &Server, published: &Published) -> Counted {
    let acknowledged = |key: &str| published.acknowledged.get(key).copied().unwrap_or_default();
    let mut numbers = BTreeMap::new();
    for client in 0..CLIENTS {
        // The one after the last that was acknowledged may be in the log or not: now it is, once.
        let key = http_key(client);
        let number = acknowledged(&key) + 1;
        assert!(send_numbered(&mut Connection::open(server), &key, number), "the server is there");
        numbers.insert(key, number);
        let key = handler_key(client);
        let number = server.get(&format!("/events-source/{key}")).json().as_u64().expect("a number");
        assert!(number >= acknowledged(&key), "{key}: {} were acknowledged, {number} are counted", acknowledged(&key));
        numbers.insert(key, number);
    }
    let counted = |(key, number): (String, u64)| ["ledger", "echo"].map(|who| (format!("{who}/{key}"), number));
    Counted::all_of(numbers.into_iter().filter(|(_, number)| *number > 0).flat_map(counted))
}

#[test]
fn every_acknowledged_event_is_counted_once_and_in_its_order_however_often_the_server_is_killed() {
    let (mut random, seed) = Random::unseeded();
    let mut setup = Setup::new().plugins(&["events-source", LEDGER]);
    let mut published = Published::default();
    for cycle in 0..repeats("BACKPLANE_TEST_EVENT_CRASH_CYCLES", CYCLES) {
        let answers = random.below(ANSWERS_MAX);
        setup = publish_and_kill(setup.start(), &mut published, answers, &mut random);
        // Found where it happens, and not at the end of hundreds.
        if cycle % 10 == 9 {
            let server = setup.start();
            assert_eq!(server.counted_by(LEDGER).violations, BTreeMap::new(), "cycle {cycle}, seed {seed}");
            setup = server.kill();
        }
    }
    let server = setup.start();
    let expected = settle(&server, &published);
    server.wait_for_count(LEDGER, expected.total());
    eprintln!("{} events, seed {seed}", expected.total());
    for pattern in ["ledger.*", "echo.*"] {
        server.wait_until_nothing_waits(LEDGER, pattern);
    }
    let retried = server.counted_by(LEDGER).check(&expected);
    assert_eq!(server.dead_letters(), [Value::Null; 0], "seed {seed}");
    let Published { unanswered, swaps, rollbacks, .. } = published;
    let happened = [unanswered as u64, swaps as u64, rollbacks as u64, retried];
    assert!(happened.iter().all(|times| *times > 0), "{happened:?}: this proves nothing");
}

/// A release build has no such switch.
#[cfg(debug_assertions)]
#[test]
fn an_event_is_counted_twice_when_the_step_is_outside_of_the_commit() {
    // The proof above can fail.
    const CYCLES_MAX: usize = 100;
    let (mut random, seed) = Random::unseeded();
    let config = "[folder]\nremoval_grace = \"300ms\"\n[events]\nstep_apart = true\n";
    let mut setup = Setup::new().plugins(&["events-source", LEDGER]).config(config);
    let mut published = Published::default();
    for _ in 0..CYCLES_MAX {
        let answers = random.below(ANSWERS_MAX);
        setup = publish_and_kill(setup.start(), &mut published, answers, &mut random);
        let server = setup.start();
        server.wait_for_count(LEDGER, 1);
        if server.counted_by(LEDGER).has_doubled() {
            return;
        }
        setup = server.kill();
    }
    panic!("{CYCLES_MAX} servers were killed and nothing was counted twice (seed {seed})");
}
