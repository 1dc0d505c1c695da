//! A request that is sent again under the same `Idempotency-Key` has one effect, and the same answer.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Answer, Preload, Server, Setup};

/// Adds one to a counter, under a key.
#[track_caller]
fn count(server: &Server, key: &str) -> Answer {
    server.script_as(&json!([{"add": ["n", 1]}]), &[("idempotency-key", key)])
}

/// Checks that an answer is the first one for its key, or that it was given before.
#[track_caller]
fn check(answer: &Answer, sum: i64, replayed: bool) {
    assert_eq!((answer.status, answer.json()), (200, json!([sum])), "{answer:?}");
    assert_eq!(answer.header("idempotency-replayed"), replayed.then_some("true"), "{answer:?}");
}

fn sum(server: &Server) -> Value {
    server.look(&json!([{"get": "n"}]))[0].clone()
}

#[test]
fn a_repeated_request_gets_the_first_answer_and_has_no_effect() {
    let server = Server::start(&["script"]);
    check(&count(&server, "a"), 1, false);
    check(&count(&server, "a"), 1, true);
    check(&count(&server, "\"a\""), 1, true);
    check(&count(&server, "b"), 2, false);
    check(&count(&server, "a"), 1, true);
    assert_eq!(sum(&server), "2");
    server.check_health();
}

#[test]
fn a_repeated_answer_has_the_headers_of_the_first_and_its_own_request_id() {
    let server = Server::start(&["script"]);
    let steps = json!([{"set": ["a", "1"]}, {"header": ["x-color", "blue"]}]);
    let send = || server.script_as(&steps, &[("idempotency-key", "a")]);
    let (first, second) = (send(), send());
    assert_eq!(second.header("idempotency-replayed"), Some("true"), "{second:?}");
    for name in ["x-color", "content-type", "content-length"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
        assert!(first.header(name).is_some(), "{name}");
    }
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[test]
fn callers_have_keys_of_their_own_whatever_they_are_known_by() {
    let server = Server::start(&["script"]);
    let [ada, bob] = ["ada", "bob"].map(|name| server.sign_up(name, "", "").access);
    let key = server.send_as(&ada, "POST", "/api/api-keys", &json!({"name": "robot", "scopes": []})).json();
    let key = key["key"].as_str().expect("the key is shown once");
    let count_as = |credential: &str| {
        let bearer = format!("Bearer {credential}");
        server.script_as(&json!([{"add": ["n", 1]}]), &[("idempotency-key", "a"), ("authorization", &bearer)])
    };
    check(&count_as(&ada), 1, false);
    check(&count_as(&bob), 2, false);
    check(&count(&server, "a"), 3, false);
    check(&count_as(&ada), 1, true);
    check(&count_as(key), 1, true);
    check(&count_as(&bob), 2, true);
    check(&count(&server, "a"), 3, true);
    assert_eq!(sum(&server), "3");
}

#[test]
fn another_request_under_the_same_key_is_refused() {
    let server = Server::start(&["script"]);
    check(&count(&server, "a"), 1, false);
    let other = server.script_as(&json!([{"add": ["n", 2]}]), &[("idempotency-key", "a")]);
    other.check_problem(422, "idempotency_key_reused");
    assert_eq!(sum(&server), "1");
}

/// Adds one to a counter by another route, at a path of that, under the key `a`.
#[track_caller]
fn count_at(server: &Server, name: &str) -> Answer {
    let request = server.request("PUT", &format!("/script/at/{name}")).json(&json!([{"add": ["n", 1]}]));
    server.receive(request.header("idempotency-key", "a"))
}

#[test]
fn another_path_of_the_same_route_is_another_request() {
    let server = Server::start(&["script"]);
    check(&count_at(&server, "one"), 1, false);
    count_at(&server, "two").check_problem(422, "idempotency_key_reused");
    check(&count_at(&server, "one"), 1, true);
    assert_eq!(sum(&server), "1");
}

#[test]
fn keys_of_two_routes_are_two_keys() {
    let server = Server::start(&["script"]);
    check(&count(&server, "a"), 1, false);
    check(&count_at(&server, "one"), 2, false);
    check(&count(&server, "a"), 1, true);
    check(&count_at(&server, "one"), 2, true);
    assert_eq!(sum(&server), "2");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let server = Server::start(&["script"]);
    let long = "x".repeat(256);
    for key in ["", "\"", "a b", "a,b", &long] {
        count(&server, key).check_problem(400, "invalid_request");
    }
    assert_eq!(sum(&server), Value::Null);
}

#[test]
fn a_request_that_was_refused_may_be_sent_again() {
    let server = Server::start(&["script"]);
    let send = |steps: &Value| server.script_as(steps, &[("idempotency-key", "a")]);
    send(&json!([{"add": ["n", 1]}, "refuse"])).check_problem(409, "conflict");
    send(&json!([{"add": ["n", 1]}, "panic"])).check_problem(500, "plugin_failed");
    // Nothing was recorded, so the key is free for any request.
    check(&count(&server, "a"), 1, false);
}

#[test]
fn an_answer_is_kept_even_when_nothing_was_written() {
    let server = Server::start(&["script"]);
    let read = || server.script_as(&json!([{"get": "n"}]), &[("idempotency-key", "a")]);
    assert_eq!((read().json(), read().json()), (json!([null]), json!([null])));
    check(&count(&server, "b"), 1, false);
    assert_eq!(read().json(), json!([null]), "the first answer stays");
}

#[test]
fn twins_that_are_sent_at_once_have_one_effect() {
    const TWINS: usize = 8;
    let server = Server::start(&["script"]);
    for key in 0..10 {
        let answers: Vec<_> = thread::scope(|scope| {
            let twins: Vec<_> = (0..TWINS).map(|_| scope.spawn(|| count(&server, &key.to_string()))).collect();
            twins.into_iter().map(|twin| twin.join().expect("a thread that answers")).collect()
        });
        let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
        assert_eq!(first, 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.json() == json!([key + 1])), "{answers:?}");
    }
    assert_eq!(sum(&server), "10");
}

#[test]
fn an_answer_is_kept_over_a_restart_and_for_a_day() {
    let clock = Preload::new();
    let server = Setup::new().plugins(&["script"]).preload(&clock).start();
    check(&count(&server, "a"), 1, false);
    let server = server.stop().start();
    check(&count(&server, "a"), 1, true);
    clock.set_clock_ahead(Duration::from_secs(23 * 60 * 60));
    check(&count(&server, "a"), 1, true);
    clock.set_clock_ahead(Duration::from_secs(25 * 60 * 60));
    check(&count(&server, "a"), 2, false);
    check(&count(&server, "a"), 2, true);
}

#[test]
fn keys_of_two_plugins_are_two_keys() {
    let server = Server::start(&["script", "kv"]);
    check(&count(&server, "a"), 1, false);
    let other = server.request("POST", "/kv/write/reads_its_own_writes/0").header("idempotency-key", "a");
    assert_eq!(other.send().and_then(Answer::receive).expect("an answer").status, 204);
}
