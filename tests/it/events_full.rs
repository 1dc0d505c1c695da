//! The log of events when it is as long as it may be: what would be published is refused, everything else goes on, and
//! once there is room, that too.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Code;

use crate::harness::{
    Answer, Counted, Grpc, Preload, Server, Setup, check_status,
    pb::{NewEvent, PublishEventRequest},
    wait_until,
};

const LEDGER: &str = "events-ledger";
const SOURCE: &str = "events-source";
/// The pattern of what the ledger counts.
const PATTERN: &str = "ledger.*";

/// A long key: whatever has it is larger than the smallest event, so there is no room for it either.
fn long_key(letter: &str) -> String {
    letter.repeat(200)
}

/// Publishes events of one key, ever smaller ones, until not even the smallest has room. Returns how many, and the last
/// one's place.
#[track_caller]
fn fill(server: &Server) -> (u64, i64) {
    let (mut published, mut last) = (0, 0);
    for (count, padding) in [(15, 250_000), (1, 250_000), (1, 10_000), (1, 0)] {
        let padding = "x".repeat(padding);
        loop {
            let event =
                |number| json!({"topic": "ledger.http", "key": "a", "data": {"number": number, "padding": padding}});
            let batch: Value = (published + 1..=published + count).map(event).collect();
            let answer = server.send_json("POST", "/api/events", &batch);
            if answer.status != 202 {
                check_full(&answer);
                break;
            }
            published += count;
            last = answer.json()["events"]
                .as_array()
                .and_then(|events| events.last()?["sequence"].as_i64())
                .expect("a place");
        }
    }
    (published, last)
}

#[track_caller]
fn check_full(answer: &Answer) {
    answer.check_problem(507, "event_log_full");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// Lets a plugin publish the next event of a key.
#[track_caller]
fn publish_from_plugin(server: &Server, key: &str) -> Answer {
    server.receive(server.request("POST", &format!("/{SOURCE}/{key}")).json(&json!({})))
}

#[test]
fn a_full_log_takes_no_events_and_does_when_its_subscribers_have_caught_up() {
    let config = "[events]\nbytes_max = \"16MiB\"\nretention_bytes = \"1MiB\"\n";
    let clock = Preload::new();
    let server = Setup::new().plugins(&[LEDGER, SOURCE]).config(config).preload(&clock).start();
    let subscription = server.subscription(LEDGER, PATTERN)["id"].clone();
    let turn = |verb: &str| server.send("POST", &format!("/api/subscriptions/{subscription}/{verb}")).check_success();
    turn("pause");
    let [key, other] = ["k", "o"].map(long_key);
    // Whoever handles this one publishes another.
    let first = || {
        let data = json!({"number": 1, "echo": true});
        let event =
            json!({"specversion": "1.0", "id": "first", "type": "ledger.http", "partitionkey": key, "data": data});
        let request = server.request("POST", "/api/events").header("content-type", "application/cloudevents+json");
        server.receive(request.body(event.to_string()))
    };
    let accepted = first();
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let (published, last) = fill(&server);

    // Nothing of what was refused is there, and what is there can be read.
    let page = server.get(&format!("/api/events?after={}", last - 1)).json();
    assert_eq!((page["events"].as_array().map(Vec::len), &page["end"]), (Some(1), &json!(last)), "{page}");
    // A request of a plugin fails as a whole.
    publish_from_plugin(&server, &other).check_problem(507, "quota_exceeded");
    assert_eq!(server.get(&format!("/{SOURCE}/{other}")).json(), 0);
    let event = NewEvent { topic: "a".to_owned(), payload: vec![0; 1000], ..NewEvent::default() };
    let grpc = Grpc::connect(&server);
    let refused = grpc.wait(grpc.events().publish(PublishEventRequest { event: Some(event) }));
    check_status(refused, Code::ResourceExhausted, "event_log_full");
    // What is in the log already can be sent again.
    let again = first();
    assert_eq!((again.status, again.json()), (202, accepted.json()));
    server.check_health();

    turn("resume");
    server.wait_for_count(LEDGER, published);
    // The cursors of lanes in which nothing was for a subscription follow after a while.
    clock.pass(&server, Duration::from_secs(40));
    wait_until("room", || publish_from_plugin(&server, &other).status == 200);
    let once = ["ledger", "echo"].map(|who| format!("{who}/{key}")).into_iter().chain([format!("ledger/{other}")]);
    let expected = Counted::all_of(once.map(|key| (key, 1)).chain([("ledger/a".to_owned(), published)]));
    server.wait_for_count(LEDGER, expected.total());
    let retried = server.counted_by(LEDGER).check(&expected);
    assert!(retried > 0, "the first event was handled while there was no room for what its handler publishes");
    assert!(server.dead_letters().is_empty());
    assert_eq!(server.send_json("POST", "/api/events/a", &json!(1)).status, 202);
    server.check_health();
}

#[test]
fn one_publisher_that_has_filled_its_part_of_the_log_is_in_nobodys_way() {
    let config = "[events]\nbytes_per_source_max = \"16MiB\"\n";
    let server = Setup::new().plugins(&[SOURCE]).config(config).start();
    fill(&server);
    assert_eq!(publish_from_plugin(&server, &long_key("k")).json(), 1);
    check_full(&server.send_json("POST", "/api/events/a", &json!("x".repeat(1000))));
    server.check_health();
}
