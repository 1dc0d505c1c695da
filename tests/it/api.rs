//! The host's own surface: what it says, and to whom.

use crate::harness::{Answer, Connection, Server};

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
    let view = server.get("/api/plugins/hello").json();
    assert_eq!(view["name"], "hello");
    assert_eq!(view["version"], "0.1.0");
    assert_eq!(view["hash"], crate::harness::sha256(&crate::harness::component("hello")));
    assert_eq!((&view["state"], &view["reason"]), (&"live".into(), &serde_json::Value::Null));
    assert_eq!(
        (&view["file"], &view["mount"], &view["instance"]),
        (&"hello.wasm".into(), &"/hello".into(), &"fresh".into())
    );
    assert_eq!((&view["routes"][0]["method"], &view["routes"][0]["path"]), (&"GET".into(), &"/hello/{name}".into()));
    assert_eq!((&view["calls"], &view["traps"], &view["in_flight"]), (&1.into(), &0.into(), &0.into()));
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

#[test]
fn the_api_answers_only_to_this_machine() {
    let server = Server::start(&["hello"]);
    let ask = |path: &str, lines: &str| Connection::exchange(&server, format!("GET {path} HTTP/1.1\r\n{lines}\r\n"));
    let own = format!("host: {}\r\n", server.address());
    assert_eq!(ask("/api/plugins", &own).status, 200);
    assert_eq!(ask("/api/plugins", "host: localhost\r\n").status, 200);
    for lines in [
        "host: evil.example\r\n".to_owned(),
        "host: 127.0.0.1.evil.example\r\n".to_owned(),
        format!("{own}x-forwarded-for: 127.0.0.1\r\n"),
        format!("{own}forwarded: for=127.0.0.1\r\n"),
        format!("{own}origin: http://evil.example\r\n"),
        format!("{own}sec-fetch-site: cross-site\r\n"),
    ] {
        for path in ["/api/plugins", "/api/plugins/hello", "/api/plugins/hello/versions"] {
            ask(path, &lines).check_problem(403, "local_only");
        }
    }
    // What is for everybody stays so.
    assert_eq!(ask("/hello/Ada", "host: example.com\r\nx-forwarded-for: 192.0.2.1\r\n").status, 200);
    assert_eq!(ask("/healthz", "host: example.com\r\nx-forwarded-for: 192.0.2.1\r\n").status, 200);
}

#[test]
fn a_page_of_another_site_cannot_roll_back() {
    let server = Server::start(&["hello"]);
    let request = server.request("POST", "/api/plugins/hello/rollback").header("origin", "http://evil.example");
    request.send().and_then(Answer::receive).expect("an answer").check_problem(403, "local_only");
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
