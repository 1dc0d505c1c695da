//! Publishing over HTTP: what is answered with 202 is in the log, once, and nothing else is.

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Server, administrators_token};

const BATCH: &str = "application/cloudevents-batch+json";
const STRUCTURED: &str = "application/cloudevents+json";

/// Posts a body of a type with these headers.
#[track_caller]
fn post(server: &Server, path: &str, content_type: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = server.request("POST", path).header("content-type", content_type).body(body.into());
    server.receive(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

#[track_caller]
fn check_accepted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    answer.json()
}

/// An event as JSON.
fn event(id: &str, more: &Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "orders.created"});
    event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    event
}

#[test]
fn an_event_is_in_the_log_when_it_is_answered_and_after_a_kill() {
    let server = Server::start(&[]);
    let subject = server.get("/api/auth/me").json()["subject"].as_str().expect("text").to_owned();
    let accepted =
        check_accepted(&post(&server, "/api/events/orders.created?key=42", "application/json", &[], r#"{"a": 1}"#));
    let server = server.kill().start();
    let events = server.events("");
    let [found] = events.as_slice() else { panic!("one event, not {events:?}") };
    assert_eq!(found["id"], accepted["id"], "{found}");
    assert_eq!(found["sequence"], accepted["sequence"].to_string(), "{found}");
    assert_eq!(found["source"], format!("/clients/{subject}"), "{found}");
    let expected = json!({"type": "orders.created", "partitionkey": "42", "data": {"a": 1}, "specversion": "1.0"});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&found[name], value, "{found}");
    }
    assert!(found["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{found}");
    assert!(server.put_event("orders.created", &json!(2)) > accepted["sequence"].as_i64().expect("a place"));
}

#[test]
fn a_payload_of_any_type_comes_out_as_it_went_in() {
    let server = Server::start(&[]);
    for (content_type, body) in [
        ("text/plain; charset=utf-8", "Zürich\n".as_bytes()),
        ("image/png", &[0, 255, 10]),
        ("application/json", b"null"),
    ] {
        check_accepted(&post(&server, "/api/events/any", content_type, &[], body));
    }
    check_accepted(&server.receive(server.request("POST", "/api/events/any").body("no type")));
    let events = server.events("?topic=any");
    let read: Vec<_> =
        events.iter().map(|event| (&event["datacontenttype"], &event["data"], &event["data_base64"])).collect();
    let (text, octets) = (json!("Zürich\n"), json!("AP8K"));
    let [png, json_type, plain] = ["image/png", "application/json", "text/plain; charset=utf-8"].map(Value::from);
    let (none, stream, base64) = (Value::Null, json!("application/octet-stream"), json!("bm8gdHlwZQ=="));
    assert_eq!(
        read,
        [(&plain, &text, &none), (&png, &none, &octets), (&json_type, &none, &none), (&stream, &none, &base64)]
    );
    assert!(events[2].as_object().is_some_and(|event| event.contains_key("data")), "{}", events[2]);
}

#[test]
fn a_cloud_event_is_the_same_in_every_mode() {
    let server = Server::start(&[]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a-1"),
        ("ce-source", "/shop"),
        ("ce-type", "orders.created"),
        ("ce-time", "2026-01-02T03:04:05Z"),
        ("ce-partitionkey", "Z%C3%BCrich"),
        ("ce-traceparent", trace),
    ];
    let more =
        json!({"time": "2026-01-02T03:04:05Z", "partitionkey": "Zürich", "traceparent": trace, "data": {"a": 1}});
    check_accepted(&post(&server, "/api/events/orders.created", "application/json", &attributes, r#"{"a":1}"#));
    check_accepted(&post(&server, "/api/events/orders.created", STRUCTURED, &[], event("a-2", &more).to_string()));
    check_accepted(&post(&server, "/api/events", STRUCTURED, &[], event("a-3", &more).to_string()));
    check_accepted(&post(&server, "/api/events", BATCH, &[], json!([event("a-4", &more)]).to_string()));
    let binary = attributes.map(|(name, value)| if name == "ce-id" { (name, "a-5") } else { (name, value) });
    check_accepted(&post(&server, "/api/events", "application/json", &binary, r#"{"a":1}"#));
    let events = server.events("");
    assert_eq!(events.len(), 5);
    for (index, found) in events.iter().enumerate() {
        let mut expected = event(&format!("a-{}", index + 1), &more);
        expected["sequence"] = found["sequence"].clone();
        expected["datacontenttype"] = json!("application/json");
        assert_eq!(found, &expected);
    }
}

#[test]
fn a_batch_is_in_the_log_in_its_order_or_not_at_all() {
    let server = Server::start(&[]);
    let many: Vec<_> = (0..1000).map(|number| json!({"topic": "numbers", "key": "k", "data": number})).collect();
    let accepted = check_accepted(&post(&server, "/api/events", "application/json", &[], json!(many).to_string()));
    let places: Vec<_> =
        accepted["events"].as_array().expect("a list").iter().map(|event| event["sequence"].as_i64()).collect();
    assert_eq!(places.len(), 1000);
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    let read: Vec<_> = server.events("?limit=1000").iter().map(|event| event["data"].as_u64()).collect();
    assert!(read.iter().copied().eq((0..1000).map(Some)), "{read:?}");

    let too_many = vec![json!({"topic": "numbers"}); 1001];
    post(&server, "/api/events", "application/json", &[], json!(too_many).to_string())
        .check_problem(413, "payload_too_large");
    let bad = json!([{"topic": "numbers"}, {"topic": "Numbers"}]);
    post(&server, "/api/events", "application/json", &[], bad.to_string()).check_problem(422, "invalid_topic");
    let twice = json!([event("a", &json!({})), event("b", &json!({})), event("a", &json!({}))]);
    let refused = post(&server, "/api/events", BATCH, &[], twice.to_string());
    refused.check_problem(422, "invalid_event");
    assert!(refused.text().contains("event 3"), "{}", refused.text());
    assert_eq!(check_accepted(&post(&server, "/api/events", BATCH, &[], "[]")), json!({"events": []}));
    assert_eq!(server.events("?limit=1000").len(), 1000);
}

#[test]
fn an_id_that_a_client_chose_is_published_once() {
    let server = Server::start(&[]);
    let body = event("mine", &json!({"data": 1})).to_string();
    let first = check_accepted(&post(&server, "/api/events/orders.created", STRUCTURED, &[], body.clone()));
    let server = server.kill().start();
    let second = check_accepted(&post(&server, "/api/events/orders.created", STRUCTURED, &[], body));
    assert_eq!(first, second);
    // Within a batch too; and another source is another event.
    let batch =
        json!([event("new", &json!({})), event("mine", &json!({"data": 2})), event("mine", &json!({"source": "/b"}))]);
    let third = check_accepted(&post(&server, "/api/events", BATCH, &[], batch.to_string()));
    assert_eq!(third["events"][1], first, "{third}");
    assert_eq!(
        server.events("").iter().map(|event| event["data"].clone()).collect::<Vec<_>>(),
        [json!(1), Value::Null, Value::Null]
    );
    // Two events that the server named are two.
    assert!(server.put_event("orders.created", &json!(1)) < server.put_event("orders.created", &json!(1)));
}

#[test]
fn an_idempotency_key_publishes_once_and_repeats_the_answer() {
    let server = Server::start(&[]);
    let key = [("idempotency-key", "k-1")];
    let send =
        |path: &str, headers: &[(&str, &str)], body: &str| post(&server, path, "application/json", headers, body);
    let first = send("/api/events/a", &key, "1");
    let accepted = check_accepted(&first);
    assert!(accepted["id"].is_string() && accepted.get("sequence").is_none(), "{accepted}");
    assert_eq!(first.header("idempotency-replayed"), None);
    let second = send("/api/events/a", &key, "1");
    assert_eq!(check_accepted(&second), accepted);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    for (path, body) in [("/api/events/a", "2"), ("/api/events/b", "1"), ("/api/events/a?key=x", "1")] {
        send(path, &key, body).check_problem(422, "idempotency_key_reused");
    }
    let attributes = [key[0], ("ce-specversion", "1.0"), ("ce-id", "x")];
    send("/api/events/a", &attributes, "1").check_problem(422, "idempotency_key_reused");
    let batch = r#"[{"topic":"a"},{"topic":"a"}]"#;
    let first = check_accepted(&send("/api/events", &key, batch));
    assert_eq!(check_accepted(&send("/api/events", &key, batch)), first);
    // Attributes are the same in whatever order they come.
    let mut event = [
        ("idempotency-key", "k-3"),
        ("ce-specversion", "1.0"),
        ("ce-id", "x"),
        ("ce-source", "/shop"),
        ("ce-type", "a"),
    ];
    let first = check_accepted(&send("/api/events/a", &event, "1"));
    event.reverse();
    assert_eq!(check_accepted(&send("/api/events/a", &event, "1")), first);
    // What was refused is not kept.
    send("/api/events/a", &[("idempotency-key", "k-2")], "{").check_problem(422, "invalid_event");
    check_accepted(&send("/api/events/a", &[("idempotency-key", "k-2")], "2"));
    send("/api/events/a", &[("idempotency-key", "a b")], "1").check_problem(400, "invalid_request");
    // Another caller's key is another key.
    assert_eq!(server.events("").len(), 5);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| send("/api/events/c", &[("idempotency-key", "c")], "1"))).collect();
        threads.into_iter().map(|thread| check_accepted(&thread.join().expect("no panic"))).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(server.events("?topic=c").len(), 1);
}

#[test]
fn a_topic_that_is_called_as_a_path_is_a_topic_as_any_other() {
    let server = Server::start(&[]);
    let mut stream = server.follow("?topic=stream");
    let place = server.put_event("stream", &json!(1));
    assert_eq!((stream.event().0, &server.events("?topic=stream")[0]["data"]), (place, &json!(1)));
    let key = [("idempotency-key", "k-1")];
    let accepted = check_accepted(&post(&server, "/api/events/stream?key=a", "text/plain", &key, "2"));
    assert_eq!(check_accepted(&post(&server, "/api/events/stream?key=a", "text/plain", &key, "2")), accepted);
    post(&server, "/api/events/a?key=a", "text/plain", &key, "2").check_problem(422, "idempotency_key_reused");
    let refused = server.send("DELETE", "/api/events/stream");
    refused.check_problem(405, "method_not_allowed");
    let allowed = refused.header("allow").unwrap_or_default();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[test]
fn what_is_no_event_is_refused_with_the_reason() {
    let server = Server::start(&[]);
    let long = "a".repeat(65);
    for topic in ["A", "a..b", "a.", "a%20b", "*", "a.*", &long, "a.b.c.d.e.f.g.h.i"] {
        post(&server, &format!("/api/events/{topic}"), "text/plain", &[], "").check_problem(422, "invalid_topic");
    }
    let check = |path: &str, content_type: &str, headers: &[(&str, &str)], body: &str, expected: (u16, &str)| {
        post(&server, path, content_type, headers, body).check_problem(expected.0, expected.1);
    };
    let (invalid, topic) = ((422, "invalid_event"), (422, "invalid_topic"));
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", ""),
        ("application/x+json", "nothing"),
        ("text", ""),
        (STRUCTURED, ""),
        (STRUCTURED, "[]"),
        (STRUCTURED, r#"{"specversion":"1.0","type":"b"}"#),
        (STRUCTURED, r#"{"specversion":"2.0","type":"a"}"#),
        (STRUCTURED, r#"{"specversion":"1.0","type":"a","subject":"s"}"#),
        (STRUCTURED, r#"{"specversion":"1.0","type":"a","source":"/plugins/orders"}"#),
        (STRUCTURED, r#"{"specversion":"1.0","type":"a","source":"/clients/somebody"}"#),
        (STRUCTURED, r#"{"specversion":"1.0","type":"a","data":1,"data_base64":""}"#),
    ] {
        check("/api/events/a", content_type, &[], body, invalid);
    }
    check("/api/events/a", STRUCTURED, &[], r#"{"specversion":"1.0","type":"A"}"#, topic);
    check("/api/events/a?key=x", STRUCTURED, &[], r#"{"specversion":"1.0","type":"a"}"#, invalid);
    check("/api/events/a?key=", "text/plain", &[], "", invalid);
    check("/api/events/a?key=%0A", "text/plain", &[], "", invalid);
    check("/api/events/a?ky=x", "text/plain", &[], "", (400, "invalid_request"));
    check("/api/events/a", "text/plain", &[("ce-specversion", "1.0"), ("ce-type", "b")], "", invalid);
    check("/api/events/a", "text/plain", &[("ce-specversion", "1.0"), ("ce-time", "now")], "", invalid);
    check("/api/events/a", BATCH, &[], "[]", (415, "unsupported_media_type"));
    for content_type in ["text/plain", "application/xml", "nonsense"] {
        check("/api/events", content_type, &[], "[]", (415, "unsupported_media_type"));
    }
    check("/api/events", "text/plain", &[("ce-specversion", "1.0")], "", invalid);
    check("/api/events", BATCH, &[], "{}", invalid);
    check_not_utf8(&server);
    assert_eq!(server.send("PUT", "/api/events/a").status, 405);
    assert_eq!(server.events(""), Vec::<Value>::new());
    server.check_health();
}

/// Checks that JSON whose text is not UTF-8 is refused in every mode.
#[track_caller]
fn check_not_utf8(server: &Server) {
    let around = |begin: &str, end: &str| [begin.as_bytes(), b"\"\xff\"", end.as_bytes()].concat();
    let structured = r#"{"specversion":"1.0","type":"a","data":"#;
    let binary = [("ce-specversion", "1.0"), ("ce-type", "a")];
    for (path, content_type, headers, body) in [
        ("/api/events/a", "application/json", [].as_slice(), around("", "")),
        ("/api/events/a", "application/json", &binary, around("", "")),
        ("/api/events/a", STRUCTURED, &[], around(structured, "}")),
        ("/api/events", "application/json", &binary, around("", "")),
        ("/api/events", "application/json", &[], around(r#"[{"topic":"a","data":"#, "}]")),
        ("/api/events", BATCH, &[], around(&format!("[{structured}"), "}]")),
    ] {
        post(server, path, content_type, headers, body).check_problem(422, "invalid_event");
    }
}

/// Checks that a body of so many bytes is refused before it is sent.
#[track_caller]
fn check_announced(server: &Server, path: &str, content_type: &str, bytes: usize) {
    let token = administrators_token();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: {content_type}\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    Connection::exchange(server, head).check_problem(413, "payload_too_large");
}

#[test]
fn a_payload_is_bounded_in_every_mode() {
    let server = Server::start(&[]);
    let too_large = (413, "payload_too_large");
    let check = |path: &str, content_type: &str, body: Vec<u8>| {
        let refused = post(&server, path, content_type, &[], body);
        refused.check_problem(too_large.0, too_large.1);
    };
    let largest = vec![b'x'; 256 << 10];
    check_accepted(&post(&server, "/api/events/a", "text/plain", &[], largest.clone()));
    check_announced(&server, "/api/events/a", "text/plain", (256 << 10) + 1);
    let text = "x".repeat(256 << 10);
    let data = event("a", &json!({"datacontenttype": "text/plain", "type": "a", "data": text}));
    check_accepted(&post(&server, "/api/events/a", STRUCTURED, &[], data.to_string()));
    let data = event("b", &json!({"datacontenttype": "text/plain", "type": "a", "data": format!("{text}x")}));
    check("/api/events/a", STRUCTURED, data.to_string().into());
    check("/api/events", BATCH, json!([data]).to_string().into());
    check_announced(&server, "/api/events/a", STRUCTURED, (2 << 20) + 1);
    check_announced(&server, "/api/events", BATCH, (4 << 20) + 1);
    assert_eq!(server.events("").len(), 2);
}

#[test]
fn the_log_is_read_in_pages() {
    let server = Server::start(&[]);
    let places: Vec<_> = (0..25)
        .map(|number| server.put_event(if number % 5 == 0 { "a.five" } else { "a.other" }, &json!(number)))
        .collect();
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = server.get(&format!("/api/events?after={after}&limit=10")).json();
        read.extend(
            page["events"].as_array().expect("a list").iter().map(|event| event["data"].as_u64().expect("a number")),
        );
        let Some(next) = page["next"].as_i64() else {
            assert_eq!(page["end"].as_i64(), places.last().copied(), "{page}");
            break;
        };
        after = next;
    }
    assert!(read.iter().copied().eq(0..25), "{read:?}");
    let numbers = |query: &str| server.events(query).iter().map(|event| event["data"].as_u64()).collect::<Vec<_>>();
    assert_eq!(numbers("?topic=a.five"), [0, 5, 10, 15, 20].map(Some));
    assert_eq!(numbers("?topic=a.five,a.other&limit=2"), [0, 1].map(Some));
    assert_eq!(numbers("?topic=a.*&limit=1"), [Some(0)]);
    assert_eq!(numbers("?topic=a,b.*"), []);
    assert_eq!(numbers(&format!("?after={}", i64::MAX)), []);
    for query in ["?topic=A", "?topic=", "?topic=a,", &format!("?topic={}", ["a"; 17].join(","))] {
        server.get(&format!("/api/events{query}")).check_problem(422, "invalid_topic");
    }
    for query in ["?after=-1", "?after=x", "?limit=x", "?limit=-1", "?seq=1"] {
        server.get(&format!("/api/events{query}")).check_problem(400, "invalid_request");
    }
}
