//! What plugins keep: how much of it, for how long, and what an operator can do with it.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::harness::{Connection, Server, Setup, StopOnDrop, component, rebuilt, repeats};

#[test]
fn a_plugin_that_is_removed_and_dropped_in_again_has_its_data() {
    let server = Server::start(&["script"]);
    assert_eq!(server.script(&json!([{"set": ["a", "1"]}])).status, 200);
    server.remove("script.wasm");
    server.wait_for_status("/script", 404);
    server.put("script.wasm", &component("script"));
    server.wait_for_status("/script?steps=[]", 200);
    assert_eq!(server.look(&json!([{"get": "a"}])), json!(["1"]));
    let server = server.stop().start();
    assert_eq!(server.look(&json!([{"get": "a"}])), json!(["1"]));
}

#[test]
fn replacing_a_plugin_while_it_writes_loses_no_write() {
    let server = Server::start(&["script"]);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..4 {
            let (server, over, answered) = (&server, &over, &answered);
            scope.spawn(move || {
                let mut connection = Connection::open(server);
                let steps = json!([{"add": ["all", 1]}, {"add": [format!("client/{client}"), 1]}]);
                let mut own = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = connection.script(&steps).expect("an answer");
                    own += 1;
                    // Each call sees all of this client's before, whichever version answered them.
                    assert_eq!((answer.status, &answer.json()[1]), (200, &json!(own)), "{}", answer.text());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let stop = StopOnDrop(&over);
        for number in 1..=5 {
            let bytes = rebuilt("script", number);
            let hash = crate::harness::sha256(&bytes);
            server.put("script.wasm", &bytes);
            crate::harness::wait_until("the next version", || server.get("/api/plugins/script").json()["hash"] == hash);
        }
        drop(stop);
    });
    let all = answered.load(Ordering::Relaxed);
    assert!(all > 20, "{all} calls are no load");
    assert_eq!(server.look(&json!([{"get": "all"}])), json!([all.to_string()]));
}

#[test]
fn twenty_writers_reach_a_quota_of_keys_exactly() {
    const KEYS: usize = 105;
    let config = format!("[plugin.script]\nstate_keys_max = {KEYS}\n");
    let server = Setup::new().plugins(&["script"]).config(&config).start();
    let written: usize = thread::scope(|scope| {
        let writer = |writer: usize| {
            let mut connection = Connection::open(&server);
            let mut written = 0;
            loop {
                let steps = json!([{"set": [format!("{writer}/{written}"), "x"]}]);
                let answer = connection.script(&steps).expect("an answer");
                if answer.status != 200 {
                    answer.check_problem(507, "quota_exceeded");
                    return written;
                }
                written += 1;
            }
        };
        let writers: Vec<_> = (0..20).map(|number| scope.spawn(move || writer(number))).collect();
        writers.into_iter().map(|writer| writer.join().expect("every writer ends")).sum()
    });
    assert_eq!(written, KEYS);
    assert_eq!(server.look(&json!([{"count": ""}])), json!([KEYS]));
    // What is there may change, what goes makes room, and what is over is refused whole.
    assert_eq!(server.script(&json!([{"set": ["0/0", "other"]}])).status, 200);
    assert_eq!(server.script(&json!([{"delete": "0/0"}, {"set": ["new", "1"]}])).status, 200);
    server.script(&json!([{"set": ["new", "2"]}, {"set": ["newer", "1"]}])).check_problem(507, "quota_exceeded");
    assert_eq!(server.look(&json!([{"get": "new"}, {"count": ""}])), json!(["1", KEYS]));
}

#[test]
fn a_quota_of_bytes_counts_keys_and_values() {
    let config = "[plugin.script]\nstate_bytes_max = \"64KiB\"\n";
    let server = Setup::new().plugins(&["script"]).config(config).start();
    assert_eq!(server.script(&json!([{"fill": ["a", 1, 40_000]}])).status, 200);
    server.script(&json!([{"fill": ["b", 1, 40_000]}])).check_problem(507, "quota_exceeded");
    // In place of the first it fits.
    assert_eq!(server.script(&json!([{"fill": ["a", 1, 50_000]}])).status, 200);
    assert_eq!(server.script(&json!([{"delete": "a0000000"}, {"fill": ["b", 1, 60_000]}])).status, 200);
    // Small values are not for nothing: each has its key and its bucket.
    server.script(&json!([{"fill": ["c", 1000, 0]}])).check_problem(507, "quota_exceeded");
}

/// Keys in the list. More by the variable `BACKPLANE_TEST_LIST_KEYS`: a full run has a million.
const LIST_KEYS: usize = 100_000;

#[test]
fn a_list_of_very_many_keys_is_walked_page_by_page() {
    const AT_ONCE: usize = 10_000;
    let keys = repeats("BACKPLANE_TEST_LIST_KEYS", LIST_KEYS);
    let server = Server::start(&["script"]);
    thread::scope(|scope| {
        for part in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for fill in (part..keys / AT_ONCE).step_by(4) {
                    let answer = server.script(&json!([{"fill": [format!("{fill:04}/"), AT_ONCE, 8]}]));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    let (mut connection, mut found, mut after) = (Connection::open(&server), 0, Value::Null);
    loop {
        let answer = connection.look(&json!([{"page": ["", after]}])).expect("an answer");
        let (page, next) = (&answer.json()[0][0], answer.json()[0][1].clone());
        found += page.as_u64().expect("a number");
        if next.is_null() {
            break;
        }
        assert!(next.as_str() > after.as_str(), "{next} after {after}");
        after = next;
    }
    assert_eq!(found, (keys / AT_ONCE * AT_ONCE) as u64);
    server.check_health();
}
