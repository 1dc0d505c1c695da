//! Methods of a plugin in JSON: the same handlers, callers, limits and refusals as over gRPC.

use serde_json::{Value, json};

use crate::harness::{Answer, Grpc, Server, Setup, call_raw, frame, probe};

const MOUNT: &str = "/grpc-probe/probe.v1.Probe";

#[track_caller]
fn post(server: &Server, method: &str, body: impl Into<String>) -> Answer {
    let request = server.strangers_request("POST", &format!("{MOUNT}/{method}"));
    server.receive(request.header("content-type", "application/json").body(body.into()))
}

#[track_caller]
fn check(server: &Server, method: &str, body: &Value, expected: &Value) {
    let answer = post(server, method, body.to_string());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    assert_eq!(answer.json(), *expected);
}

#[test]
fn answers_in_the_json_of_protocol_buffers() {
    let server = Server::start(&["grpc-probe"]);
    check(&server, "Echo", &json!({}), &json!({}));
    check(&server, "Echo", &json!({"text": "grüß", "payload": "AP8H"}), &json!({"text": "grüß", "payload": "AP8H"}));
    check(&server, "Count", &json!({"key": "a"}), &json!({"count": "1"}));
    check(&server, "Count", &json!({"key": "a", "onlyLook": true}), &json!({"count": "1"}));
    check(&server, "Count", &json!({"key": "a", "only_look": true}), &json!({"count": "1"}));
    let request = server.strangers_request("POST", &format!("{MOUNT}/Echo")).header("x-tenant", "acme");
    let answer = server.receive(request.header("content-type", "application/json; charset=utf-8").body("{}"));
    assert_eq!(answer.json(), json!({"metadata": [{"key": "x-tenant", "value": "acme"}]}));
    let grpc = Grpc::connect_with(&server, None);
    let look = probe::CountRequest { key: "a".to_owned(), only_look: true };
    assert_eq!(grpc.wait(grpc.probe().count(look)).expect("an answer").into_inner().count, 1);
}

#[test]
fn a_message_that_is_none_is_refused_with_its_field() {
    let server = Server::start(&["grpc-probe"]);
    let refused = |body: &str| {
        let answer = post(&server, "Echo", body);
        answer.check_problem(400, "invalid_request");
        answer.json()["detail"].as_str().unwrap_or_default().to_owned()
    };
    let detail = refused(r#"{"txt": "a"}"#);
    assert!(detail.contains("'txt'"), "{detail}");
    for body in ["", "[]", "{", "null x", r#"{"text": 1}"#, r#"{"payload": "%"}"#, r#"{"text": "a"} {}"#] {
        refused(body);
    }
    refused(&format!("{}{}", r#"{"text":["#.repeat(5_000), "]}".repeat(5_000)));
    let request = server.strangers_request("POST", &format!("{MOUNT}/Echo"));
    server
        .receive(request.header("content-type", "application/json").body(b"{\"text\":\"\xff\"}".to_vec()))
        .check_problem(400, "invalid_request");
    server.check_health();
}

#[test]
fn what_is_not_said_as_json_is_refused() {
    let server = Server::start(&["grpc-probe"]);
    let path = format!("{MOUNT}/Echo");
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let request = server.strangers_request("POST", &path).body("{}");
        let request = content_type.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        server.receive(request).check_problem(415, "unsupported_media_type");
    }
    let answer = server.get(&path);
    answer.check_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    post(&server, "None", "{}").check_problem(404, "not_found");
    let request = server.strangers_request("POST", &path).header("idempotency-key", "k-1");
    server.receive(request.header("content-type", "application/json").body("{}")).check_problem(400, "invalid_request");
    // Below the mount there is no gRPC, and outside of it no JSON.
    assert_eq!(call_raw(&server, &path, &frame(b""), &[]).header("grpc-status"), Some("12"));
    let request = server.strangers_request("POST", "/probe.v1.Probe/Echo").header("content-type", "application/json");
    server.receive(request.body("{}")).check_problem(404, "not_found");
}

#[test]
fn asks_for_the_same_as_over_grpc() {
    let server = Server::start(&["grpc-probe"]);
    post(&server, "Secret", "{}").check_problem(401, "unauthenticated");
    let call = |token: &str| {
        let request = server.strangers_request("POST", &format!("{MOUNT}/Secret")).bearer_auth(token);
        server.receive(request.header("content-type", "application/json").body("{}"))
    };
    call("bp_none").check_problem(401, "invalid_token");
    call(&server.sign_up("clerk", "clerk", "").access).check_problem(403, "forbidden");
    call(&crate::harness::administrators_token()).check_success();
}

#[test]
fn a_status_of_the_plugin_is_a_problem() {
    let server = Server::start(&["grpc-probe"]);
    for (code, status) in [
        (1, 499),
        (2, 500),
        (3, 400),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (12, 501),
        (14, 503),
        (16, 401),
        (0, 500),
        (99, 500),
    ] {
        let fail = json!({"code": code, "reason": "own_code", "message": "why", "key": "k"});
        let answer = post(&server, "Fail", fail.to_string());
        answer.check_problem(status, "own_code");
        let problem = answer.json();
        assert_eq!((&problem["type"], &problem["detail"]), (&json!("about:blank"), &json!("why")), "{problem}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    post(&server, "Trap", r#"{"key": "k"}"#).check_problem(500, "plugin_failed");
    check(&server, "Count", &json!({"key": "k", "onlyLook": true}), &json!({}));
    server.check_health();
}

#[test]
fn texts_are_bounded() {
    let server = Server::start(&["grpc-probe"]);
    // Both of the text and of what is in it: base64 is a third longer than what it stands for.
    let echo = |bytes: usize| post(&server, "Echo", format!(r#"{{"payload":"{}"}}"#, "AAAA".repeat(bytes / 3)));
    let answer = echo(600_000);
    assert_eq!((answer.status, answer.json()["payload"].as_str().map(str::len)), (200, Some(800_000)));
    // Its connection is closed, because nobody reads what is left of the text.
    echo(900_000).check_problem(413, "payload_too_large");
}

#[test]
fn follows_the_mount() {
    let config = "[plugin.grpc-probe]\nmount = \"/\"\n";
    let server = Setup::new().plugins(&["grpc-probe"]).config(config).start();
    let request = server.strangers_request("POST", "/probe.v1.Probe/Echo").header("content-type", "application/json");
    assert_eq!(server.receive(request.body(r#"{"text":"a"}"#)).json(), json!({"text": "a"}));
    let methods = &server.get("/api/plugins/grpc-probe").json()["grpc"][0]["methods"];
    assert_eq!(methods[0]["json"], "/probe.v1.Probe/Echo");
}
