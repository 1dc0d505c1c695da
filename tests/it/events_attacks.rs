//! Handlers of events that end badly: nothing of them stays, and neither their neighbours nor what else the plugin
//! handles notice.

use crate::harness::{Server, wait_until};

/// Publishes an event by a route of the guest.
#[track_caller]
fn publish(server: &Server, topic: &str, text: &str) {
    server.send("POST", &format!("/events-attacks/publish/{topic}/{text}")).check_success();
}

fn count(server: &Server, what: &str) -> String {
    server.get(&format!("/events-attacks/counts/{what}")).text()
}

/// Waits until everything that was published before is handled: events without a failure overtake no others for long.
fn wait_for_calm(server: &Server, text: &str, number: u64) {
    wait_until("the calm events to be counted", || count(server, &format!("calm/{text}")) == number.to_string());
}

#[test]
fn events_attacks_leave_nothing_behind_and_hold_nobody_up() {
    let server = Server::start(&["events-attacks", "hello"]);
    let attacks = ["panic", "exit", "spin", "sleep", "memory", "flood"].map(|attack| format!("attack.{attack}"));
    for (number, topic) in (1..).zip(&attacks) {
        publish(&server, topic, "x");
        publish(&server, "calm", "between");
        wait_for_calm(&server, "between", number);
        server.get("/hello/Ada").check_text("{\"hello\":\"Ada\"}");
    }
    // Both attempts of each come to an end, and the second makes it a dead letter.
    wait_until("the attacks to be dead letters", || server.dead_letters().len() == attacks.len());
    for topic in &attacks {
        assert_eq!(count(&server, topic), "0", "{topic}");
        assert_eq!(count(&server, &format!("calm/{topic}")), "0", "{topic}");
    }
    server.check_health();
}

#[test]
fn a_subscription_whose_events_all_trap_is_paused_until_somebody_resumes_it() {
    let server = Server::start(&["events-attacks", "hello"]);
    let attacked = |server: &Server| server.subscription("events-attacks", "attack.*");
    let events = 12;
    (0..events).for_each(|_| publish(&server, "attack.panic", "x"));
    wait_until("the pause", || attacked(&server)["paused"] == "trapping");
    // Another subscription of the same plugin goes on.
    publish(&server, "calm", "beside");
    wait_for_calm(&server, "beside", 1);
    let server = server.kill().start();
    assert_eq!(attacked(&server)["paused"], "trapping");
    let path = format!("/api/subscriptions/{}/resume", attacked(&server)["id"]);
    assert_eq!(server.send("POST", &path).json()["paused"], serde_json::Value::Null);
    wait_until("all of them to be dead letters", || server.dead_letters().len() == events);
    assert_eq!(count(&server, "attack.panic"), "0");
    server.check_health();
}

#[test]
fn an_event_carries_the_trace_of_the_call_that_published_it_and_no_caller() {
    let server = Server::start(&["events-attacks"]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = server.request("POST", "/events-attacks/publish/trace/one").header("traceparent", trace);
    server.receive(request).check_success();
    server.wait_for_status("/events-attacks/traces/one", 200);
    let seen = server.get("/events-attacks/traces/one").json();
    assert_eq!((seen["trace_parent"].as_str(), seen["has_caller"].as_bool()), (Some(trace), Some(false)));
    assert!(seen["remaining_ms"].as_u64().is_some_and(|ms| (1..=500).contains(&ms)), "{seen}");
}
