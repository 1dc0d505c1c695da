//! What a person does about subscriptions, dead letters and schedules, over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Connection, Database, Server, Setup, administrators_token, wait_for, wait_until};

const ATTACKS: &str = "events-attacks";

/// Returns how often the guest counted something.
fn count(server: &Server, what: &str) -> u64 {
    server.get(&format!("/events-attacks/counts/{what}")).text().parse().expect("a number")
}

#[track_caller]
fn wait_for_count(server: &Server, what: &str, number: u64) {
    wait_until(&format!("{number} of {what}"), || count(server, what) >= number);
    assert_eq!(count(server, what), number, "{what}");
}

#[track_caller]
fn id_of(server: &Server, pattern: &str) -> i64 {
    server.subscription(ATTACKS, pattern)["id"].as_i64().expect("an id")
}

/// Publishes a text as the administrator, and returns its place.
#[track_caller]
fn put_text(server: &Server, topic: &str, text: &str) -> i64 {
    let request = server.request("POST", &format!("/api/events/{topic}")).header("content-type", "text/plain");
    server.receive(request.body(text.to_owned())).json()["sequence"].as_i64().expect("a place")
}

/// Waits until there are so many dead letters.
#[track_caller]
fn wait_for_letters(server: &Server, number: usize) -> Vec<Value> {
    wait_for(&format!("{number} dead letters"), || {
        Some(server.dead_letters()).filter(|letters| letters.len() == number)
    })
}

#[test]
fn a_subscription_is_paused_and_goes_on_where_it_was() {
    let server = Server::start(&[ATTACKS]);
    let path = format!("/api/subscriptions/{}", id_of(&server, "calm"));
    put_text(&server, "calm", "x");
    wait_for_count(&server, "calm/x", 1);
    let view = server.send("POST", &format!("{path}/pause")).json();
    assert_eq!(
        (&view["paused"], &view["live"], &view["pattern"]),
        (&json!("asked"), &json!(true), &json!("calm")),
        "{view}"
    );
    for _ in 0..3 {
        put_text(&server, "calm", "x");
        put_text(&server, "nobody", "x");
    }
    let view = server.get(&path).json();
    assert_eq!((&view["lag"], &view["lag_is_more"]), (&json!(3), &json!(false)), "{view}");
    assert!(view["oldest_waiting_at"].is_string(), "{view}");
    assert_eq!(view, server.subscription(ATTACKS, "calm"));
    // Paused is paused, also after a restart.
    let server = server.kill().start();
    assert_eq!(server.get(&path).json()["paused"], "asked");
    assert_eq!(count(&server, "calm/x"), 1);
    let view = server.send("POST", &format!("{path}/resume")).json();
    assert_eq!(view["paused"], Value::Null, "{view}");
    wait_for_count(&server, "calm/x", 4);
    server.wait_until_nothing_waits(ATTACKS, "calm");
    assert_eq!(server.send("POST", &format!("{path}/resume")).status, 200);
    for path in ["/api/subscriptions/999", "/api/subscriptions/x", "/api/subscriptions/-1"] {
        server.get(path).check_problem(404, "unknown_subscription");
        for verb in ["pause", "resume"] {
            server.send("POST", &format!("{path}/{verb}")).check_problem(404, "unknown_subscription");
        }
    }
}

/// Asks for a change and hangs up while another program keeps it from being written, until `is_made` says that it was
/// made all the same.
#[track_caller]
fn hang_up_on(server: &Server, path: &str, is_made: impl Fn() -> bool) {
    let token = administrators_token();
    let lines = format!("host: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n");
    let behind_it = format!("/api/subscriptions/{}/pause", id_of(server, "trace"));
    let mut other = Database::open(&server.data());
    let mut round_trips = 0;
    wait_until("a change that nobody waits for", || {
        other.run("BEGIN IMMEDIATE");
        let mut connection = Connection::open(server);
        connection.send(format!("POST {path} HTTP/1.1\r\n{lines}\r\n"));
        // Nobody says when it has come to the writer: each time it has longer.
        round_trips += 20;
        (0..round_trips).for_each(|_| assert_eq!(server.get("/healthz").status, 200));
        connection.finish();
        // Once the server hangs up as well, it has dropped the request.
        connection.read_to_end();
        other.run("COMMIT");
        server.send("POST", &behind_it).status == 200 && is_made()
    });
}

#[test]
fn a_change_takes_effect_though_its_client_hangs_up_before_it_is_written() {
    let server = Server::start(&[ATTACKS]);
    let path = format!("/api/subscriptions/{}", id_of(&server, "calm"));
    server.send("POST", &format!("{path}/pause")).check_success();
    put_text(&server, "calm", "x");
    hang_up_on(&server, &format!("{path}/resume"), || server.get(&path).json()["paused"] == Value::Null);
    wait_for_count(&server, "calm/x", 1);

    put_text(&server, "attack.panic", "x");
    let letter = wait_for_letters(&server, 1).remove(0);
    let path = format!("/api/dead-letters/{}/retry", letter["id"].as_str().expect("an id"));
    hang_up_on(&server, &path, || server.dead_letters().first() != Some(&letter));
    wait_until("another letter", || server.dead_letters().first().is_some_and(|again| again["at"] != letter["at"]));
    server.check_health();
}

#[test]
fn a_replay_delivers_again_from_a_place_or_a_time() {
    let server = Server::start(&[ATTACKS]);
    let path = format!("/api/subscriptions/{}/replay", id_of(&server, "calm"));
    let places: Vec<_> = (0..3).map(|_| put_text(&server, "calm", "x")).collect();
    wait_for_count(&server, "calm/x", 3);
    server.wait_until_nothing_waits(ATTACKS, "calm");
    let replay = |from: Value| {
        let answer = server.send_json("POST", &path, &from);
        assert_eq!(answer.status, 200, "{from}: {}", answer.text());
    };
    replay(json!({"sequence": places[1]}));
    wait_for_count(&server, "calm/x", 5);
    server.wait_until_nothing_waits(ATTACKS, "calm");
    replay(json!({"time": "2020-01-01T00:00:00Z"}));
    wait_for_count(&server, "calm/x", 8);
    server.wait_until_nothing_waits(ATTACKS, "calm");
    replay(json!({"time": "2999-01-01T00:00:00Z"}));
    put_text(&server, "calm", "x");
    wait_for_count(&server, "calm/x", 9);
    for bad in [
        json!({}),
        json!({"sequence": 0}),
        json!({"sequence": 1, "time": "2020-01-01T00:00:00Z"}),
        json!({"time": "x"}),
    ] {
        server.send_json("POST", &path, &bad).check_problem(400, "invalid_request");
    }
    let entry = &server.get("/api/audit?action=subscription.replay").json()["entries"][0];
    assert_eq!(entry["result"], "invalid_request", "{entry}");
    let done = server.get("/api/audit?action=subscription.replay").json();
    let detail = format!("events-attacks calm from sequence {}", places[1]);
    assert!(
        done["entries"].as_array().is_some_and(|entries| entries.iter().any(|entry| entry["detail"] == *detail)),
        "{done}"
    );
}

#[test]
fn a_replay_drops_the_dead_letters_of_what_it_delivers_again() {
    let server = Server::start(&[ATTACKS]);
    let places = ["x", "y"].map(|text| put_text(&server, "attack.panic", text));
    let letters = wait_for_letters(&server, 2);
    server.wait_until_nothing_waits(ATTACKS, "attack.*");
    let path = format!("/api/subscriptions/{}", id_of(&server, "attack.*"));
    assert_eq!(server.send("POST", &format!("{path}/pause")).status, 200);
    let replayed = server.send_json("POST", &format!("{path}/replay"), &json!({"sequence": places[1]}));
    assert_eq!(replayed.status, 200, "{}", replayed.text());
    let left: Vec<_> = server.dead_letters().iter().map(|letter| letter["sequence"].clone()).collect();
    assert_eq!(left, [json!(places[0])]);
    // Nobody can have it tried again beside what the log delivers.
    let retry = format!("/api/dead-letters/{}/retry", letters[1]["id"].as_str().expect("an id"));
    server.send("POST", &retry).check_problem(404, "unknown_dead_letter");
    assert_eq!(server.send("POST", &format!("{path}/resume")).status, 200);
    let again = wait_for_letters(&server, 2);
    assert_eq!(again[0], letters[0]);
    assert_eq!((&again[1]["sequence"], &again[1]["attempts"]), (&json!(places[1]), &json!(2)), "{again:?}");
}

#[test]
fn dead_letters_are_listed_shown_tried_again_and_dropped() {
    let server = Server::start(&[ATTACKS]);
    let place = put_text(&server, "attack.panic", "x");
    let letter = wait_for_letters(&server, 1).remove(0);
    let subscription = id_of(&server, "attack.*");
    let id = format!("{subscription}-{place}");
    let expected = json!({
        "id": id, "subscription": subscription, "plugin": ATTACKS, "pattern": "attack.*", "sequence": place,
        "topic": "attack.panic", "key": null, "attempts": 2, "code": "attacked",
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&letter[name], value, "{name} of {letter}");
    }
    let path = format!("/api/dead-letters/{id}");
    let shown = server.get(&path).json();
    assert_eq!((&shown["event"]["data"], &shown["event"]["id"]), (&json!("x"), &letter["event_id"]), "{shown}");
    assert_eq!(shown["at"], letter["at"], "{shown}");

    assert_eq!(server.send("POST", &format!("{path}/retry")).status, 202);
    // It fails again: another letter in the place of the first.
    wait_until("another letter", || server.dead_letters().first().is_some_and(|again| again["at"] != letter["at"]));
    assert_eq!(server.send("DELETE", &path).status, 204);
    assert!(server.dead_letters().is_empty());
    server.get(&path).check_problem(404, "unknown_dead_letter");
    server.send("DELETE", &path).check_problem(404, "unknown_dead_letter");
    server.send("POST", &format!("{path}/retry")).check_problem(404, "unknown_dead_letter");
    for id in ["x", "1", "1-", "0-1", "1-99999999999999999999"] {
        server.get(&format!("/api/dead-letters/{id}")).check_problem(404, "unknown_dead_letter");
    }
    for (action, result) in [("dead-letter.retry", "ok"), ("dead-letter.drop", "ok")] {
        let entries = server.get(&format!("/api/audit?action={action}")).json();
        let found = entries["entries"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|entry| entry["target"] == *id && entry["result"] == result);
        assert!(found, "{entries}");
    }
    server.check_health();
}

#[test]
fn many_dead_letters_are_settled_at_once() {
    let server = Server::start(&[ATTACKS]);
    let batch: Vec<_> = (0..7)
        .map(|_| json!({"specversion": "1.0", "type": "attack.panic", "datacontenttype": "text/plain", "data": "x"}))
        .collect();
    let request = server.request("POST", "/api/events").header("content-type", "application/cloudevents-batch+json");
    assert_eq!(server.receive(request.body(json!(batch).to_string())).status, 202);
    let letters = wait_for_letters(&server, 7);
    let subscription = id_of(&server, "attack.*");
    assert_eq!(server.get(&format!("/api/subscriptions/{subscription}")).json()["dead_letters"], 7);
    let ids: Vec<_> = letters.iter().map(|letter| letter["id"].as_str().expect("text").to_owned()).collect();
    // A page at a time.
    let mut read = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = server.get(&format!("/api/dead-letters{query}")).json();
        read.extend(
            page["dead_letters"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|letter| letter["id"].as_str().expect("text").to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={next}");
    }
    assert_eq!(read, ids);
    assert_eq!(server.get("/api/dead-letters?subscription=999").json()["dead_letters"], json!([]));

    let settle = |verb: &str, body: Value| server.send_json("POST", &format!("/api/dead-letters/{verb}"), &body);
    assert_eq!(
        settle("drop", json!({"ids": [ids[0], ids[1], format!("{subscription}-999999")]})).json(),
        json!({"dropped": 2, "more": false})
    );
    assert_eq!(server.dead_letters().len(), 5);
    let before: BTreeSet<_> = letters[2..].iter().map(|letter| letter["at"].to_string()).collect();
    assert_eq!(settle("retry", json!({"subscription": subscription})).json(), json!({"retried": 5, "more": false}));
    wait_until("five other letters", || {
        let letters = server.dead_letters();
        letters.len() == 5 && letters.iter().all(|letter| !before.contains(&letter["at"].to_string()))
    });
    assert_eq!(settle("drop", json!({"subscription": subscription})).json(), json!({"dropped": 5, "more": false}));
    assert!(server.dead_letters().is_empty());
    settle("drop", json!({"subscription": 999})).check_problem(404, "unknown_subscription");
    settle("retry", json!({"ids": ["x"]})).check_problem(404, "unknown_dead_letter");
    for bad in
        [json!({}), json!({"subscription": 1, "ids": []}), json!({"ids": vec!["1-1"; 501]}), json!({"all": true})]
    {
        settle("retry", bad).check_problem(400, "invalid_request");
    }
}

#[test]
fn whoever_manages_some_topics_sees_no_others() {
    let config =
        "[folder]\nremoval_grace = \"300ms\"\n[[events.manage]]\ntopics = \"attack.*\"\nroles = [\"operator\"]\n";
    let server = Setup::new().config(config).plugins(&[ATTACKS]).start();
    let (attack, calm) = (id_of(&server, "attack.*"), id_of(&server, "calm"));
    let operator = server.sign_up("ada", "operator", "").access;
    put_text(&server, "attack.panic", "x");
    let letter = wait_for_letters(&server, 1).remove(0);
    let seen = server.get_as(&operator, "/api/subscriptions").json();
    let patterns: Vec<_> =
        seen["subscriptions"].as_array().expect("a list").iter().map(|view| &view["pattern"]).collect();
    assert_eq!(patterns, ["attack.*"]);
    let post = |path: &str| server.send_as(&operator, "POST", path, &json!({}));
    assert_eq!(post(&format!("/api/subscriptions/{attack}/pause")).status, 200);
    assert_eq!(post(&format!("/api/subscriptions/{attack}/resume")).status, 200);
    post(&format!("/api/subscriptions/{calm}/pause")).check_problem(404, "unknown_subscription");
    server.get_as(&operator, &format!("/api/subscriptions/{calm}")).check_problem(404, "unknown_subscription");
    assert_eq!(server.get_as(&operator, "/api/dead-letters").json()["dead_letters"], json!([letter]));
    let guest = server.sign_up("guest", "clerk", "").access;
    let path = format!("/api/dead-letters/{}", letter["id"].as_str().expect("text"));
    server.get_as(&guest, &path).check_problem(404, "unknown_dead_letter");
    server.receive(server.request_as(&guest, "DELETE", &path)).check_problem(404, "unknown_dead_letter");
    assert_eq!(server.receive(server.request_as(&operator, "DELETE", &path)).status, 204);
    assert_eq!(server.subscription(ATTACKS, "calm")["paused"], Value::Null);
}

#[test]
fn schedules_are_listed_with_what_became_of_them_and_run_when_asked() {
    let server = Server::start(&["events-schedules"]);
    let find = |handler: &str| {
        let list = server.get("/api/schedules").json();
        let found =
            list["schedules"].as_array().expect("a list").iter().find(|schedule| schedule["handler"] == handler);
        found.unwrap_or_else(|| panic!("no {handler} in {list}")).clone()
    };
    for (handler, result) in [("tick", "ok"), ("fail", "always"), ("trap", "trap")] {
        let schedule = wait_for("a run", || Some(find(handler)).filter(|schedule| schedule["last_run_at"].is_string()));
        assert_eq!(
            (&schedule["last_result"], &schedule["plugin"]),
            (&json!(result), &json!("events-schedules")),
            "{schedule}"
        );
        assert!(schedule["next_run_at"].is_string(), "{schedule}");
        assert_eq!(schedule["last_message"].is_string(), result != "ok", "{schedule}");
    }
    assert_eq!(find("minute")["timing"], "cron * * * * * in Europe/Berlin");
    let runs = || server.get("/events-schedules/runs/minute").json()["count"].as_u64().expect("a number");
    // More runs than the clock can make of it while this takes.
    for number in 1..=10 {
        let before = runs();
        assert_eq!(server.send("POST", "/api/schedules/events-schedules/minute/run").status, 202);
        wait_until(&format!("run {number}"), || runs() > before && find("minute")["running"] == false);
    }
    assert!(runs() >= 10);
    for path in ["events-schedules/none", "nobody/minute", "x/y"] {
        server.send("POST", &format!("/api/schedules/{path}/run")).check_problem(404, "unknown_schedule");
    }
    let entries = server.get("/api/audit?action=schedule.run&limit=500").json();
    let results: Vec<_> = entries["entries"].as_array().expect("a list").iter().map(|entry| &entry["result"]).collect();
    assert_eq!(results.iter().filter(|result| ***result == "ok").count(), 10, "{entries}");
    assert_eq!(results.len(), 13, "{entries}");
}
