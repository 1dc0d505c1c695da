//! Subscribers that are late, slow, poisoned, or not there: nothing is lost, and nobody waits for anybody else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Count, Counted, Server, Setup, component, put_file, repeats, replaced, wait_until, with_text};

const LEDGER: &str = "events-ledger";

/// The pattern of what it counts.
const PATTERN: &str = "ledger.*";

/// Keys of the events.
const KEYS: u64 = 50;

/// Returns events with these numbers: by turns of each key, and of each key in the order of their numbers.
fn numbered(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = (String, Value)> {
    numbers.flat_map(|number| (0..KEYS).map(move |key| (format!("key-{key}"), json!({ "number": number }))))
}

/// Returns what a ledger counts of the first events of each key.
fn all_up_to(number: u64) -> Counted {
    Counted::all_of((0..KEYS).map(|key| (format!("ledger/key-{key}"), number)))
}

/// Waits until a ledger has counted the first events of each key, and checks that it counted each once.
#[track_caller]
fn check_counts(server: &Server, plugin: &str, number: u64) {
    let expected = all_up_to(number);
    server.wait_for_count(plugin, expected.total());
    server.wait_until_nothing_waits(plugin, PATTERN);
    assert_eq!(server.counted_by(plugin), expected);
}

/// Takes the ledger out of the folder, and waits until it is gone.
#[track_caller]
fn remove_ledger(server: &Server) {
    server.remove(&format!("{LEDGER}.wasm"));
    server.wait_for_status(&format!("/{LEDGER}"), 404);
}

#[test]
fn events_ledger_counts_what_is_published_over_http_and_by_a_handler() {
    let server = Server::start(&[LEDGER, "events-source"]);
    for number in 1..=3 {
        server.publish("ledger.http", "a", &json!({"number": number, "echo": true}));
        let answer = server.receive(server.request("POST", "/events-source/b").json(&json!({})));
        assert_eq!(answer.json(), number);
    }
    let expected = ["ledger/a", "echo/a", "ledger/b"].map(|key| (key.to_owned(), 3));
    let expected = Counted::all_of(expected);
    server.wait_for_count(LEDGER, expected.total());
    assert_eq!(server.counted_by(LEDGER), expected);
}

#[test]
fn events_source_publishes_only_what_is_committed() {
    let server = Server::start(&[LEDGER, "events-source"]);
    // The body is no object, which the handler sees after it has counted.
    assert_eq!(server.receive(server.request("POST", "/events-source/a").json(&json!(1))).status, 400);
    assert_eq!(server.receive(server.request("POST", "/events-source/a").json(&json!({}))).json(), 1);
    server.wait_for_count(LEDGER, 1);
    server.wait_until_nothing_waits(LEDGER, PATTERN);
    assert_eq!(server.counted_by(LEDGER), Counted::all_of([("ledger/a".to_owned(), 1)]));
}

#[test]
fn events_bench_publishes_and_handles_what_the_benchmark_asks_for() {
    let server = Server::start(&["events-bench"]);
    let publish = |path: &str| server.receive(server.request("POST", path).json(&json!({"padding": "x"}))).status;
    assert_eq!((publish("/events-bench/publish/1"), publish("/events-bench/publish/100")), (202, 202));
    server.publish("bench.work", "a", &json!({"number": 7, "probe": true, "padding": "x"}));
    wait_until("word of the event", || server.get("/api/events?topic=bench.handled").text().contains("\"number\":7"));
}

/// How many events wait. More by the variable `BACKPLANE_TEST_EVENTS_WAITING`.
#[test]
fn what_waits_at_the_start_is_counted_once() {
    let each = repeats("BACKPLANE_TEST_EVENTS_WAITING", 10_000) as u64 / KEYS;
    let server = Server::start(&[LEDGER]);
    server.publish_all("ledger.http", numbered(1..=1));
    check_counts(&server, LEDGER, 1);
    remove_ledger(&server);
    server.publish_all("ledger.http", numbered(2..=each));
    let setup = server.kill();
    put_file(&setup.folder(), &format!("{LEDGER}.wasm"), &component(LEDGER));
    check_counts(&setup.start(), LEDGER, each);
}

#[test]
fn what_was_only_in_the_queue_of_a_killed_server_is_delivered_by_the_next() {
    let mut setup = Setup::new().plugins(&[LEDGER]);
    for round in 0..3 {
        let server = setup.start();
        server.publish_all("ledger.http", numbered(1 + 20 * round..=20 + 20 * round));
        // The acknowledgement has just come: most of it was not yet delivered.
        setup = server.kill();
    }
    check_counts(&setup.start(), LEDGER, 60);
}

#[test]
fn a_subscriber_that_is_removed_and_dropped_in_again_goes_on_where_it_was() {
    let server = Server::start(&[LEDGER]);
    server.publish_all("ledger.http", numbered(1..=20));
    // While it counts, or before, or after.
    remove_ledger(&server);
    server.publish_all("ledger.http", numbered(21..=40));
    server.put(&format!("{LEDGER}.wasm"), &component(LEDGER));
    server.wait_for_status(&format!("/{LEDGER}"), 200);
    server.publish_all("ledger.http", numbered(41..=60));
    check_counts(&server, LEDGER, 60);
}

/// One poisoned event among so many. More by the variable `BACKPLANE_TEST_EVENTS_POISONED`.
#[test]
fn one_poisoned_event_becomes_a_dead_letter_and_holds_back_nobody_but_its_key() {
    let each = repeats("BACKPLANE_TEST_EVENTS_POISONED", 5000) as u64 / KEYS;
    let server = Server::start(&[LEDGER]);
    let poisoned = each / 2;
    let events = numbered(1..=each).map(|(key, mut data)| {
        if key == "key-7" && data["number"] == poisoned {
            data["fails"] = json!(100);
        }
        (key, data)
    });
    server.publish_all("ledger.http", events);
    let mut expected = all_up_to(each);
    expected.counts.insert("ledger/key-7".into(), Count { seen: each - 1, last: each });
    server.wait_for_count(LEDGER, expected.total());
    server.wait_until_nothing_waits(LEDGER, PATTERN);
    // Its key went on without it: the ledger sees that one is missing.
    let gap = format!("{} came after {}", poisoned + 1, poisoned - 1);
    expected.violations = BTreeMap::from([(format!("ledger/key-7/{}/{poisoned}", poisoned + 1), gap)]);
    server.counted_by(LEDGER).check(&expected);
    let dead = server.dead_letters();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((&dead[0]["key"], &dead[0]["attempts"]), (&json!("key-7"), &json!(20)), "{dead:?}");
}

#[test]
fn nine_subscribers_do_not_wait_for_a_slow_tenth() {
    const SLOW: &str = "events-ledge9";
    let names: Vec<_> = (0..10).map(|number| format!("events-ledge{number}")).collect();
    let server = Setup::new().start();
    for name in &names {
        let slowness = if name == SLOW { "slowness 1000 ms" } else { "slowness 0000 ms" };
        let component = replaced(with_text(LEDGER, LEDGER, name), "slowness 0000 ms", slowness);
        server.put(&format!("{name}.wasm"), &component);
        server.wait_for_status(&format!("/{name}"), 200);
    }
    let each = 4;
    server.publish_all("ledger.http", numbered(1..=each));
    for name in names.iter().filter(|name| *name != SLOW) {
        check_counts(&server, name, each);
    }
    // Sixteen lanes, a second for each event: two hundred of them take twelve seconds at the least.
    let counted = server.counted_by(SLOW).total();
    assert!(counted < KEYS * each, "the slow one was as quick as the others");
    check_counts(&server, SLOW, each);
}

#[test]
fn events_that_nobody_subscribes_to_are_kept_and_in_nobodys_way() {
    let server = Server::start(&[LEDGER]);
    server.publish_all("nobody.listens", numbered(1..=40));
    server.publish_all("ledger.http", numbered(1..=1));
    check_counts(&server, LEDGER, 1);
    let page = server.get("/api/events?topic=nobody.listens&limit=1").text();
    assert!(page.contains("nobody.listens") && page.contains("key-0"), "{page}");
    // Also after a start, when they are read past.
    let server = server.stop().start();
    server.publish_all("ledger.http", numbered(2..=2));
    check_counts(&server, LEDGER, 2);
}
