//! The host's own surface: what it says, and to whom.

use crate::harness::{Answer, Connection, Server, administrators_token};

#[test]
fn status_says_what_runs_here() {
    let server = Server::start(&["hello"]);
    let status = server.get("/api/status").json();
    assert_eq!(status["service"], "backplane");
    assert_eq!(status["plugins"], 1);
    assert!(status["version"].as_str().is_some_and(|version| version.split('.').count() == 3), "{status}");
    assert!(status["uptime"].as_u64().is_some_and(|seconds| seconds < 600), "{status}");
}

#[test]
fn a_plugin_is_shown_with_all_that_an_operator_asks() {
    let server = Server::start(&["hello", "panic"]);
    server.get("/hello/Ada");
    server.get("/panic");
    let view = server.wait_until_idle("hello");
    assert_eq!(view["name"], "hello");
    assert_eq!(view["version"], "0.1.0");
    assert_eq!(view["hash"], crate::harness::sha256(&crate::harness::component("hello")));
    assert_eq!((&view["state"], &view["reason"]), (&"live".into(), &serde_json::Value::Null));
    assert_eq!(
        (&view["file"], &view["mount"], &view["instance"]),
        (&"hello.wasm".into(), &"/hello".into(), &"fresh".into())
    );
    assert_eq!((&view["routes"][0]["method"], &view["routes"][0]["path"]), (&"GET".into(), &"/hello/{name}".into()));
    assert_eq!((&view["calls"], &view["traps"]), (&1.into(), &0.into()));
    let view = server.get("/api/plugins/panic").json();
    assert_eq!((&view["calls"], &view["traps"]), (&1.into(), &1.into()), "{view}");
    let names: Vec<_> = server.list().iter().map(|view| view["name"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(names, ["hello", "panic"]);
}

#[test]
fn what_the_host_does_not_have_is_a_problem_document() {
    let server = Server::start(&[]);
    server.get("/api/plugins/nobody").check_problem(404, "unknown_plugin");
    server.get("/api/plugins/..%2f").check_problem(404, "unknown_plugin");
    server.get("/api/nothing").check_problem(404, "not_found");
    server.get("/.well-known/nothing").check_problem(404, "not_found");
    let answer = server.send("DELETE", "/api/plugins");
    answer.check_problem(405, "method_not_allowed");
    assert!(answer.header("allow").is_some_and(|allowed| allowed.contains("GET")), "{answer:?}");
}

/// What only an administrator may see.
const GUARDED: [&str; 5] =
    ["/api/plugins", "/api/plugins/hello", "/api/plugins/hello/versions", "/api/plugins/hello/storage", "/api/store"];

#[test]
fn the_api_answers_an_administrator_from_anywhere_and_nobody_else() {
    let server = Server::start(&["hello"]);
    let token = format!("authorization: Bearer {}\r\n", administrators_token());
    let ask = |path: &str, lines: &str| Connection::exchange(&server, format!("GET {path} HTTP/1.1\r\n{lines}\r\n"));
    for lines in [
        format!("host: {}\r\n", server.address()),
        "host: backplane.example\r\n".to_owned(),
        "host: localhost\r\nx-forwarded-for: 192.0.2.1\r\n".to_owned(),
        "host: localhost\r\norigin: http://console.example\r\n".to_owned(),
    ] {
        for path in GUARDED {
            ask(path, &lines).check_unauthenticated();
            assert_eq!(ask(path, &format!("{lines}{token}")).status, 200, "{path} {lines}");
        }
        // What is for everybody stays so.
        for path in ["/hello/Ada", "/healthz", "/readyz", "/api/status"] {
            assert_eq!(ask(path, &lines).status, 200, "{path} {lines}");
        }
    }
}

#[test]
fn a_caller_who_is_no_administrator_sees_and_changes_nothing() {
    let server = Server::start(&["hello"]);
    let clerk = server.sign_up("clerk", "clerk", "orders:read").access;
    for path in GUARDED {
        server.get_as(&clerk, path).check_problem(403, "forbidden");
    }
    let roll_back = "/api/plugins/hello/rollback";
    server.receive(server.request_as(&clerk, "POST", roll_back)).check_problem(403, "forbidden");
    // Whether there is such a plugin is not told either.
    server.get_as(&clerk, "/api/plugins/nobody").check_problem(403, "forbidden");
}

#[test]
fn a_page_of_another_site_cannot_roll_back() {
    let server = Server::start(&["hello"]);
    // A browser sends along what it keeps by itself, and a token is nothing that it keeps.
    let request = server.strangers_request("POST", "/api/plugins/hello/rollback");
    let request = request.header("origin", "http://evil.example").header("cookie", "access_token=stolen");
    server.receive(request).check_unauthenticated();
}

#[test]
fn a_path_that_is_not_there_says_so_to_everybody() {
    let server = Server::start(&[]);
    let ask = |method: &str, path: &str| server.receive(server.strangers_request(method, path));
    ask("GET", "/api/nothing").check_problem(404, "not_found");
    ask("GET", "/nobody/at-home").check_problem(404, "not_found");
    ask("DELETE", "/api/plugins").check_problem(405, "method_not_allowed");
    ask("GET", "/api/plugins/nobody").check_unauthenticated();
}

#[test]
fn an_oversized_body_to_the_api_is_refused() {
    let server = Server::start(&["hello"]);
    let request = server.request("POST", "/api/plugins/hello/rollback").body(vec![b' '; 20 << 20]);
    // The server may hang up while the client still sends.
    if let Ok(answer) = request.send().and_then(Answer::receive) {
        answer.check_problem(413, "payload_too_large");
    }
    server.check_health();
}
