//! Who may publish, follow and manage: by role, scope and topic.

use serde_json::json;

use crate::harness::{Server, Setup, Stream};

const RULES: &str = r#"
[[events.publish]]
topics = "orders.*"
roles = ["clerk"]

[[events.publish]]
topics = "orders.created"
scopes = ["orders:write"]

[[events.follow]]
topics = "orders.*"
roles = ["clerk", "auditor"]
"#;

fn start() -> Server {
    Setup::new().config(&format!("[folder]\nremoval_grace = \"300ms\"\n{RULES}")).start()
}

#[test]
fn without_a_rule_events_are_for_administrators() {
    let server = Server::start(&[]);
    let clerk = server.sign_up("ada", "clerk", "").access;
    server.send_as(&clerk, "POST", "/api/events/orders.created", &json!(1)).check_problem(403, "forbidden");
    server.send_as(&clerk, "POST", "/api/events", &json!([{"topic": "a"}])).check_problem(403, "forbidden");
    for path in ["/api/events", "/api/events?topic=orders.created", "/api/events/stream", "/api/schedules"] {
        server.get_as(&clerk, path).check_problem(403, "forbidden");
    }
    for path in ["/api/subscriptions/1", "/api/dead-letters/1-1"] {
        assert_eq!(server.get_as(&clerk, path).status, 404, "{path}");
    }
    for path in ["/api/subscriptions/1/pause", "/api/dead-letters/1-1/retry"] {
        assert_eq!(server.send_as(&clerk, "POST", path, &json!({})).status, 404, "{path}");
    }
    assert_eq!(server.get_as(&clerk, "/api/subscriptions").json(), json!({"subscriptions": [], "next": null}));
    assert_eq!(server.get_as(&clerk, "/api/dead-letters").json(), json!({"dead_letters": [], "next": null}));
    server.send_as(&clerk, "POST", "/api/schedules/a/b/run", &json!({})).check_problem(403, "forbidden");
    for (method, path) in [
        ("POST", "/api/events/a"),
        ("POST", "/api/events"),
        ("GET", "/api/events"),
        ("GET", "/api/events/stream"),
        ("GET", "/api/subscriptions"),
        ("GET", "/api/dead-letters"),
        ("GET", "/api/schedules"),
    ] {
        server.receive(server.strangers_request(method, path)).check_unauthenticated();
    }
    assert!(server.events("").is_empty());
}

#[test]
fn a_rule_allows_its_topics_to_its_callers() {
    let server = start();
    let clerk = server.sign_up("ada", "clerk", "").access;
    let robot = server.sign_up("robot", "", "orders:write").access;
    let guest = server.sign_up("guest", "", "").access;
    let publish =
        |caller: &str, topic: &str| server.send_as(caller, "POST", &format!("/api/events/{topic}"), &json!(1));
    assert_eq!(publish(&clerk, "orders.created").status, 202);
    assert_eq!(publish(&clerk, "orders.eu.created").status, 202);
    assert_eq!(publish(&robot, "orders.created").status, 202);
    publish(&clerk, "orders").check_problem(403, "forbidden");
    publish(&clerk, "payments.settled").check_problem(403, "forbidden");
    publish(&robot, "orders.updated").check_problem(403, "forbidden");
    let refused = publish(&guest, "orders.created");
    refused.check_problem(403, "insufficient_scope");
    refused.check_challenge("scope=\"orders:write\"");
    // A list that holds one topic too many is refused whole.
    let batch = json!([{"topic": "orders.created"}, {"topic": "payments.settled"}]);
    server.send_as(&clerk, "POST", "/api/events", &batch).check_problem(403, "forbidden");
    assert_eq!(server.events("").len(), 3);

    assert_eq!(server.get_as(&clerk, "/api/events?topic=orders.*").json()["events"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.get_as(&clerk, "/api/events?topic=orders.created,orders.eu.*").status, 200);
    for query in ["", "?topic=*", "?topic=orders", "?topic=orders.*,payments.*"] {
        server.get_as(&clerk, &format!("/api/events{query}")).check_problem(403, "forbidden");
        server.get_as(&clerk, &format!("/api/events/stream{query}")).check_problem(403, "forbidden");
    }
    server.get_as(&robot, "/api/events?topic=orders.created").check_problem(403, "forbidden");
}

#[test]
fn a_source_is_a_clients_own() {
    let server = start();
    let clerk = server.sign_up("ada", "clerk", "").access;
    let subject = server.check_believed(&clerk)["subject"].as_str().expect("text").to_owned();
    let event =
        |id: &str, source: &str| json!({"specversion": "1.0", "type": "orders.created", "id": id, "source": source});
    let send = |id: &str, source: &str| {
        let request =
            server.request_as(&clerk, "POST", "/api/events").header("content-type", "application/cloudevents+json");
        server.receive(request.body(event(id, source).to_string()))
    };
    assert_eq!(send("a", &format!("/clients/{subject}")).status, 202);
    assert_eq!(send("b", "https://shop.example/").status, 202);
    for source in ["/plugins/orders", "/clients/", &format!("/clients/{subject}x")] {
        send("c", source).check_problem(422, "invalid_event");
    }
    // The same source and id of another publisher is another event.
    let request = server.request("POST", "/api/events").header("content-type", "application/cloudevents+json");
    assert_eq!(server.receive(request.body(event("b", "https://shop.example/").to_string())).status, 202);
    assert_eq!(server.events("").len(), 3);
}

#[test]
fn a_stream_ends_with_the_right_to_it() {
    let server = start();
    let clerk = server.sign_up("ada", "clerk", "").access;
    let follow =
        |credential: &str| Stream::open(server.request_as(credential, "GET", "/api/events/stream?topic=orders.*"));
    let mut stream = follow(&clerk);
    server.put_event("orders.created", &json!(1));
    server.put_event("payments.settled", &json!(2));
    server.put_event("orders.updated", &json!(3));
    assert_eq!(stream.data(2), [json!(1), json!(3)]);
    server.change_user("ada", &json!({"roles": []}));
    let farewell = stream.next();
    assert_eq!((farewell.event.as_str(), &farewell.json()["code"]), ("error", &json!("invalid_token")), "{farewell:?}");
    assert_eq!(stream.read_block(), None);
}

#[test]
fn publishing_does_not_fill_the_audit_trail_and_managing_is_in_it() {
    let server = start();
    let clerk = server.sign_up("ada", "clerk", "").access;
    let count = || server.get("/api/audit?limit=500").json()["entries"].as_array().map(Vec::len);
    let before = count();
    server.send_as(&clerk, "POST", "/api/events/payments.settled", &json!(1)).check_problem(403, "forbidden");
    assert_eq!(server.send_as(&clerk, "POST", "/api/events/orders.created", &json!(1)).status, 202);
    assert_eq!(count(), before);
    server.send("POST", "/api/subscriptions/77/pause").check_problem(404, "unknown_subscription");
    let entry = &server.get("/api/audit?action=subscription.pause").json()["entries"][0];
    assert_eq!((&entry["target"], &entry["result"]), (&json!("77"), &json!("unknown_subscription")), "{entry}");
}

#[test]
fn rules_that_are_none_keep_the_server_from_starting() {
    for lines in [
        "[[events.publish]]\nroles = ['clerk']",
        "[[events.publish]]\ntopics = 'Orders'",
        "[[events.follow]]\ntopics = 'orders.*'\nrole = 'clerk'",
        "[[events.manage]]\ntopics = 'orders.*'\nroles = []",
        "[events]\npublish = true",
    ] {
        let refusal = Setup::new().config(lines).refusal();
        assert!(refusal.contains("events."), "{refusal}");
    }
}
