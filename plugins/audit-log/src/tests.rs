//! The subscription and the route, called as the host calls them.

use std::time::Duration;

use backplane_sdk::testing::{self, Outcome, TestEvent, TestResponse};
use serde_json::{Value, json};

use crate::audit_log::Plugin;

fn deliver(event: TestEvent) {
    let delivered = event.deliver::<Plugin>();
    assert!(delivered.iter().all(|attempt| attempt.outcome == Outcome::Handled), "{delivered:?}");
}

/// Keeps an event a second after the one before.
fn happen(topic: &str, key: &str, payload: &Value) {
    testing::advance_clock(Duration::from_secs(1));
    deliver(testing::event(topic).key(key).source("/plugins/orders").json(payload));
}

fn get(query: &str) -> TestResponse {
    testing::get(&format!("/?{query}")).signed_in("ada", ["admin"]).send::<Plugin>()
}

/// Lists a page, and returns the payloads and what follows.
fn list(query: &str) -> (Vec<Value>, Option<String>) {
    let page: Value = get(query).json();
    let items = page["items"].as_array().expect("a page has items");
    (items.iter().map(|entry| entry["payload"].clone()).collect(), page["next"].as_str().map(str::to_owned))
}

#[test]
fn keeps_what_an_event_says() {
    happen("orders.created", "o-7", &json!({ "total": 700 }));
    let page: Value = get("").json();
    let id = &testing::published()[0].id;
    let entry = json!({
        "time_ms": 1000, "id": id, "topic": "orders.created", "key": "o-7", "source": "/plugins/orders",
        "content_type": "application/json", "bytes": 13, "payload": { "total": 700 },
    });
    assert_eq!(page, json!({ "items": [entry], "next": null }));
}

#[test]
fn cuts_what_is_long_and_shows_what_is_no_json_as_text() {
    testing::set_config("payload_bytes", 5);
    happen("a", "1", &json!("long text"));
    happen("a", "2", &json!([1]));
    deliver(testing::event("a").bytes("text/csv", "1,2"));
    deliver(testing::event("a").bytes("application/octet-stream", [0x61, 0xff]));
    let (mut payloads, _) = list("topic=a");
    payloads.sort_by_key(ToString::to_string);
    assert_eq!(payloads, [json!("1,2"), json!("\"long"), json!("a\u{fffd}"), json!([1])]);
}

#[test]
fn lists_the_newest_first_by_page() {
    for number in 1..=5 {
        happen("a", "k", &json!(number));
    }
    let (first, next) = list("limit=2");
    assert_eq!(first, [json!(5), json!(4)]);
    let (second, next) = list(&format!("limit=2&after={}", next.expect("there is more")));
    assert_eq!(second, [json!(3), json!(2)]);
    assert_eq!(list(&format!("limit=2&after={}", next.expect("there is more"))), (vec![json!(1)], None));
    assert_eq!(list("limit=5").1, None);
    assert_eq!(get("limit=0").status(), 422);
    assert_eq!(get("limit=101").status(), 422);
}

#[test]
fn finds_by_topic_key_and_source() {
    happen("orders.created", "o-1", &json!(1));
    happen("orders.paid", "o-1", &json!(2));
    happen("orders.created", "o-2", &json!(3));
    happen("orderships", "o-1", &json!(4));
    deliver(testing::event("payments.settled").key("o-1").json(&json!(5)));
    let found = |query: &str| list(query).0.iter().map(|payload| payload.as_u64().unwrap_or(0)).collect::<Vec<_>>();
    assert_eq!(found("topic=orders.created"), [3, 1]);
    assert_eq!(found("topic=orders.*"), [3, 2, 1]);
    assert_eq!(found("topic=*&key=o-2"), [3]);
    assert_eq!(found("topic=orders.*&key=o-1"), [2, 1]);
    assert_eq!(found("source=/clients/test"), [5]);
    assert_eq!(found("topic=orders"), [0_u64; 0]);
}

#[test]
fn looks_at_so_many_entries_and_says_where_to_go_on() {
    happen("rare", "k", &json!("found"));
    for number in 0..2_500 {
        testing::event("frequent").json(&number).publish();
    }
    testing::deliver::<Plugin>();
    let (none, next) = list("topic=rare");
    assert_eq!(none, [Value::Null; 0]);
    assert_eq!(list(&format!("topic=rare&after={}", next.expect("there is more"))), (vec![json!("found")], None));
}

#[test]
fn keeps_an_event_for_its_time_and_shows_it_to_administrators() {
    testing::set_config("days", 1);
    happen("a", "k", &json!(1));
    assert_eq!(list("").0.len(), 1);
    testing::advance_clock(Duration::from_hours(24));
    assert_eq!(list("").0.len(), 0);
    assert_eq!(testing::get("/").send::<Plugin>().status(), 401);
    assert_eq!(testing::get("/").signed_in("bob", ["clerk"]).send::<Plugin>().status(), 403);
}
