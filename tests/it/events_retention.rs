//! What the log of events keeps, by age and by size: as much as it is told to, and whatever somebody still needs. Who
//! follows and comes for what is gone is told so.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Counted, Grpc, Preload, Server, Setup, Stream,
    pb::{SubscribeEventsRequest, subscribe_events_response::Message},
    poll, wait_for,
};

const LEDGER: &str = "events-ledger";
/// The pattern of what it counts.
const PATTERN: &str = "ledger.*";
/// What the log says when a subscription makes it keep more than it should.
const HELD: &str = "events are kept for longer than";

/// After this time the cursors of lanes in which nothing was for a subscription are at the end of the log.
const CURSORS_FOLLOW: Duration = Duration::from_secs(40);

/// Publishes events of one key with these numbers, each with so many bytes that nobody looks at. Returns their places.
#[track_caller]
fn publish(server: &Server, topic: &str, numbers: RangeInclusive<u64>, padding: usize) -> Vec<i64> {
    let padding = "x".repeat(padding);
    let event = |number| json!({"topic": topic, "key": "a", "data": {"number": number, "padding": padding}});
    let answer = server.send_json("POST", "/api/events", &numbers.map(event).collect());
    assert_eq!(answer.status, 202, "{}", answer.text());
    let events = answer.json()["events"].as_array().expect("a list").clone();
    events.iter().map(|event| event["sequence"].as_i64().expect("a place")).collect()
}

/// Waits until the log has these events and no others.
#[track_caller]
fn wait_for_places(server: &Server, expected: &[i64]) {
    let mut kept = Vec::new();
    let is_so = poll(|| {
        let place = |event: &Value| event["sequence"].as_str()?.parse::<i64>().ok();
        kept = server.events("?limit=1000").iter().map(|event| place(event).expect("a place")).collect();
        (kept == expected).then_some(())
    });
    assert!(is_so.is_some(), "{kept:?} are kept, and not {expected:?}\n{}", server.log().join("\n"));
}

/// Pauses the ledger, or lets it go on.
#[track_caller]
fn turn(server: &Server, verb: &str) {
    let id = server.subscription(LEDGER, PATTERN)["id"].clone();
    server.send("POST", &format!("/api/subscriptions/{id}/{verb}")).check_success();
}

#[test]
fn what_is_old_goes_unless_a_subscription_still_needs_it() {
    let clock = Preload::new();
    let server = Setup::new().plugins(&[LEDGER]).config("[events]\nretention = \"5m\"\n").preload(&clock).start();
    let old = [publish(&server, "nobody.listens", 1..=3, 0), publish(&server, "ledger.http", 1..=3, 0)].concat();
    server.wait_for_count(LEDGER, 3);
    clock.pass(&server, Duration::from_mins(4));
    let handled = publish(&server, "ledger.http", 4..=6, 0);
    wait_for_places(&server, &[old, handled.clone()].concat());
    server.wait_for_count(LEDGER, 6);
    clock.pass(&server, Duration::from_mins(6));
    wait_for_places(&server, &handled);
    clock.pass(&server, Duration::from_mins(10));
    wait_for_places(&server, &[]);
    turn(&server, "pause");
    let needed = publish(&server, "ledger.http", 7..=9, 0);
    let behind = publish(&server, "nobody.listens", 4..=6, 0);
    clock.pass(&server, Duration::from_mins(16));
    let warning = server.wait_for_log(HELD);
    assert!(warning.contains(LEDGER) && warning.contains(PATTERN), "{warning}");
    let young = publish(&server, "nobody.listens", 7..=8, 0);
    wait_for_places(&server, &[needed, behind, young.clone()].concat());
    turn(&server, "resume");
    server.wait_for_count(LEDGER, 9);
    clock.pass(&server, Duration::from_mins(16) + CURSORS_FOLLOW);
    wait_for_places(&server, &young);
    assert_eq!(server.counted_by(LEDGER), Counted::all_of([("ledger/a".to_owned(), 9)]));
    server.check_health();
}

#[test]
fn the_oldest_go_when_there_are_too_many_unless_somebody_still_needs_them() {
    let clock = Preload::new();
    // Twenty of the large ones, and not one more.
    let config = "[events]\nretention_bytes = \"1MiB\"\n";
    let server = Setup::new().plugins(&[LEDGER]).config(config).preload(&clock).start();
    server.publish("ledger.http", "poisoned", &json!({"number": 1, "fails": 100}));
    let letter = wait_for("a dead letter", || server.dead_letters().pop());
    turn(&server, "pause");
    let events = publish(&server, "ledger.http", 1..=40, 50_000);
    server.wait_for_log(HELD);
    let dead = letter["sequence"].as_i64().expect("a place");
    wait_for_places(&server, &[vec![dead], events.clone()].concat());
    turn(&server, "resume");
    server.wait_for_count(LEDGER, 40);
    clock.pass(&server, CURSORS_FOLLOW);
    // A dead letter's event stays: a person may still want it.
    wait_for_places(&server, &[&[dead], &events[20..]].concat());
    assert_eq!(server.counted_by(LEDGER), Counted::all_of([("ledger/a".to_owned(), 40)]));
    let id = letter["id"].as_str().expect("text");
    let shown = server.get(&format!("/api/dead-letters/{id}")).json();
    assert_eq!(shown["event"]["data"], json!({"number": 1, "fails": 100}), "{shown}");
    let page = server.get("/api/events?limit=1").json();
    assert_eq!(page["kept_from"], events[20], "{page}");
    server.check_health();
}

/// Starts a server that keeps one small event or two, and publishes large ones to it. Returns their places, when all of
/// them are gone, and that of a small one behind them.
#[track_caller]
fn start_with_a_gap() -> (Server, Vec<i64>, i64) {
    // More streams than are open at once: their places may come back late.
    let config = "[events]\nretention_bytes = \"1KiB\"\nstreams_per_caller_max = 64\n";
    let server = Setup::new().config(config).start();
    let gone = publish(&server, "large", 1..=3, 2000);
    wait_for_places(&server, &[]);
    let kept = server.put_event("small", &json!("kept"));
    (server, gone, kept)
}

#[test]
fn a_follower_that_comes_for_deleted_events_is_told_of_the_gap() {
    let (server, gone, kept) = start_with_a_gap();
    let follow = |server: &Server, after: i64, topic: &str| {
        let path = format!("/api/events/stream?topic={topic}");
        Stream::open(server.request("GET", &path).header("last-event-id", after.to_string()))
    };
    let check_gap = |stream: &mut Stream, after: i64| {
        let gap = stream.next();
        // Without a place: who is cut off now is told again.
        assert_eq!((gap.event.as_str(), &gap.id), ("gap", &None), "{gap:?}");
        assert_eq!(gap.json(), json!({"after": after, "kept_from": gone[2] + 1}));
    };
    for topic in ["*", "small", "small,large"] {
        for after in &gone[..2] {
            let mut stream = follow(&server, *after, topic);
            check_gap(&mut stream, *after);
            assert_eq!(stream.event().0, kept);
        }
        // Who has seen the last one that is gone misses nothing, and who asks for what is kept gets that.
        for after in [gone[2], 0] {
            assert_eq!(follow(&server, after, topic).event().0, kept);
        }
    }
    let server = server.kill().start();
    let mut stream = follow(&server, gone[0], "*");
    check_gap(&mut stream, gone[0]);
    let next = server.put_event("small", &json!("next"));
    assert_eq!([stream.event().0, stream.event().0], [kept, next]);
}

#[test]
fn a_subscriber_over_grpc_that_comes_for_deleted_events_is_told_of_the_gap() {
    let (server, gone, kept) = start_with_a_gap();
    let grpc = Grpc::connect(&server);
    // What comes up to the first event that is kept, but for how far the log was looked through.
    let follow = |after: i64| {
        let request = SubscribeEventsRequest { topics: vec!["small".to_owned()], after: Some(after) };
        let mut stream = grpc.wait(grpc.events().subscribe(request)).expect("a stream").into_inner();
        let mut gaps = Vec::new();
        loop {
            let answer = grpc.wait(stream.message()).expect("a message").expect("the stream goes on");
            match answer.message.expect("a message") {
                Message::Event(event) => return (gaps, event.sequence),
                Message::Gap(gap) => gaps.push((gap.after, gap.kept_from)),
                Message::Progress(_) => {}
            }
        }
    };
    for after in &gone[..2] {
        assert_eq!(follow(*after), (vec![(*after, gone[2] + 1)], kept));
    }
    for after in [gone[2], 0] {
        assert_eq!(follow(after), (vec![], kept));
    }
}
