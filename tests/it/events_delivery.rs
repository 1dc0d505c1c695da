//! From a handler that publishes to the handler of another plugin: once in effect and in order, whatever is killed,
//! swapped, rolled back, taken out or dropped in meanwhile. Without HTTP around it: what is published there is in
//! `events_subscribers.rs`.

use serde_json::{Value, json};

use crate::harness::{
    Counted, Server, Setup, component, put_file, rebuilt, sha256, wait_until, with_manifest, with_text,
};

const SOURCE: &str = "events-source";
const LEDGER: &str = "events-ledger";

/// Lets a handler publish the next events of some keys, which the ledger counts and publishes again.
#[track_caller]
fn publish(server: &Server, keys: &[&str], events: usize) {
    for _ in 0..events {
        for key in keys {
            let request = server.request("POST", &format!("/{SOURCE}/{key}")).json(&json!({"echo": true}));
            server.receive(request).check_success();
        }
    }
}

/// Waits until the ledger has counted so many events of each key, and its own, and checks that it counted each once.
#[track_caller]
fn check_counts(server: &Server, keys: &[&str], number: u64) {
    let counted = keys.iter().flat_map(|key| ["ledger", "echo"].map(|who| (format!("{who}/{key}"), number)));
    let expected = Counted::all_of(counted);
    server.wait_for_count(LEDGER, expected.total());
    assert_eq!(server.counted_by(LEDGER), expected, "{}", server.log().join("\n"));
}

/// Waits until the ledger of this content is live.
#[track_caller]
fn wait_for_ledger(server: &Server, component: &[u8]) {
    let hash = sha256(component);
    wait_until("the ledger to be live", || {
        let view = server.get(&format!("/api/plugins/{LEDGER}"));
        view.status == 200 && view.json()["hash"] == hash && view.json()["state"] == "live"
    });
}

#[test]
fn what_a_handler_publishes_is_handled_once_and_in_order() {
    let server = Server::start(&[SOURCE, LEDGER]);
    publish(&server, &["a", "b", "c"], 20);
    check_counts(&server, &["a", "b", "c"], 20);
    server.check_health();
}

#[test]
fn what_a_killed_server_did_not_deliver_is_delivered_by_the_next() {
    let mut setup = Setup::new().plugins(&[SOURCE, LEDGER]);
    for _ in 0..5 {
        let server = setup.start();
        publish(&server, &["a", "b"], 10);
        setup = server.kill();
    }
    check_counts(&setup.start(), &["a", "b"], 50);
}

#[test]
fn a_server_that_stops_leaves_the_rest_to_the_next() {
    let server = Server::start(&[SOURCE, LEDGER]);
    publish(&server, &["a"], 30);
    let server = server.stop().start();
    publish(&server, &["a"], 1);
    check_counts(&server, &["a"], 31);
}

#[test]
fn a_subscriber_that_is_swapped_and_rolled_back_meanwhile_handles_each_event_once() {
    let server = Server::start(&[SOURCE, LEDGER]);
    for number in 1..=4 {
        publish(&server, &["a", "b"], 10);
        let next = rebuilt(LEDGER, number);
        server.put(&format!("{LEDGER}.wasm"), &next);
        wait_for_ledger(&server, &next);
        publish(&server, &["a", "b"], 10);
        server.send("POST", &format!("/api/plugins/{LEDGER}/rollback")).check_success();
    }
    check_counts(&server, &["a", "b"], 80);
}

#[test]
fn a_subscriber_that_is_taken_out_goes_on_where_it_was_when_it_is_dropped_in_again() {
    let server = Server::start(&[SOURCE, LEDGER]);
    publish(&server, &["a"], 10);
    server.remove(&format!("{LEDGER}.wasm"));
    server.wait_for_status(&format!("/{LEDGER}"), 404);
    publish(&server, &["a"], 10);
    // Also when it comes back to another process, which has closed what nobody declares.
    let server = server.stop().start();
    publish(&server, &["a"], 10);
    server.put(&format!("{LEDGER}.wasm"), &component(LEDGER));
    wait_for_ledger(&server, &component(LEDGER));
    check_counts(&server, &["a"], 30);
}

#[test]
fn a_new_subscriber_begins_with_what_is_published_once_it_is_live() {
    let server = Server::start(&[SOURCE]);
    publish(&server, &["old"], 5);
    server.put(&format!("{LEDGER}.wasm"), &component(LEDGER));
    wait_for_ledger(&server, &component(LEDGER));
    publish(&server, &["new"], 5);
    check_counts(&server, &["new"], 5);
}

#[test]
fn what_waits_at_the_start_is_delivered_by_the_plugin_that_was_dropped_in_meanwhile() {
    let server = Server::start(&[SOURCE, LEDGER]);
    publish(&server, &["a"], 3);
    check_counts(&server, &["a"], 3);
    let setup = server.kill();
    put_file(&setup.folder(), &format!("{LEDGER}.wasm"), &rebuilt(LEDGER, 1));
    let server = setup.start();
    publish(&server, &["a"], 3);
    check_counts(&server, &["a"], 6);
}

#[test]
fn a_plugin_is_shown_with_what_it_publishes_handles_and_runs_by_the_clock() {
    let server = Server::start(&[LEDGER, "events-schedules"]);
    let view = server.get(&format!("/api/plugins/{LEDGER}")).json();
    assert_eq!(view["publishes"], json!(["echo.*"]));
    let subscription = |pattern: &str, handler: &str| json!({"pattern": pattern, "handler": handler, "attempts": 20});
    assert_eq!(view["subscriptions"], json!([subscription("ledger.*", "count"), subscription("echo.*", "count_echo")]));
    assert_eq!(view["schedules"], json!([]));
    let view = server.get("/api/plugins/events-schedules").json();
    let schedules = view["schedules"].as_array().expect("a list");
    assert_eq!(schedules[0], json!({"handler": "tick", "every_ms": 1000, "missed": "once"}));
    let minute = json!({"handler": "minute", "cron": "* * * * *", "zone": "Europe/Berlin", "missed": "skip"});
    assert!(schedules.contains(&minute), "{schedules:?}");
}

#[test]
fn a_schedule_that_never_comes_keeps_its_plugin_out() {
    let schedule = r#"{"handler":"tidy","cron":"0 3 31 2 *"}"#;
    let manifest = format!(r#"{{"api":"1.0","name":"never","version":"1.0.0","schedules":[{schedule}]}}"#);
    let server = Server::start(&[]);
    server.put("never.wasm", &with_manifest(&manifest));
    let reason = server.wait_for_refusal("never.wasm");
    assert!(reason.contains("schedule `tidy` cannot be") && reason.contains("never comes"), "{reason}");
}

#[test]
fn what_was_done_about_events_and_lines_of_the_log_is_in_the_status() {
    let server = Server::start(&[SOURCE, LEDGER]);
    publish(&server, &["a"], 2);
    check_counts(&server, &["a"], 2);
    wait_until("word of what was handled", || server.get("/api/status").json()["events"]["handled"] == 4);
    let status = server.get("/api/status").json();
    assert_eq!(status["events"], json!({"waiting": 0, "handled": 4, "dead_letters": 0}), "{status}");
    assert_eq!(status["log_lines_dropped"], 0, "{status}");
}

#[test]
fn two_plugins_of_one_component_are_two_subscribers() {
    let other = "events-ledge2";
    let server = Server::start(&[SOURCE, LEDGER]);
    server.put(&format!("{other}.wasm"), &with_text(LEDGER, LEDGER, other));
    server.wait_for_status(&format!("/{other}"), 200);
    let request = server.request("POST", &format!("/{SOURCE}/a")).json(&json!({}));
    assert_eq!(server.receive(request).json(), Value::from(1));
    for plugin in [LEDGER, other] {
        assert_eq!(server.wait_for_count(plugin, 1), Counted::all_of([("ledger/a".to_owned(), 1)]), "{plugin}");
    }
}
