//! Callers that come too often are held off, where the operator says so.
//!
//! Rates are an hour's, so that no bucket fills while a test runs, however busy the machine is.

use crate::harness::{Answer, Server, Setup, rebuilt, sha256, wait_until};

/// Starts a server whose configuration says this.
fn start(plugins: &[&str], lines: &str) -> Server {
    Setup::new().plugins(plugins).config(&format!("[folder]\nremoval_grace = \"300ms\"\n{lines}")).start()
}

#[track_caller]
fn check_held_off(answer: &Answer) {
    answer.check_problem(429, "too_many_requests");
    let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("whole seconds");
    assert!((1..=3600).contains(&seconds), "{seconds}");
}

/// Sends GETs until one is held off, and returns how many were answered.
#[track_caller]
fn answered(server: &Server, path: &str) -> usize {
    answered_by(|| server.get(path))
}

#[track_caller]
fn answered_by(send: impl Fn() -> Answer) -> usize {
    let answers: Vec<_> = (0..10).map(|_| send()).collect();
    let count = answers.iter().take_while(|answer| answer.status != 429).count();
    answers[count..].iter().for_each(check_held_off);
    count
}

#[test]
fn nobody_is_held_off_unless_the_operator_says_so() {
    let server = Server::start(&["hello"]);
    for _ in 0..200 {
        assert_eq!(server.get("/hello/Ada").status, 200);
    }
}

#[test]
fn a_plugins_limit_holds_for_all_its_routes_and_for_no_other_plugin() {
    let server = start(&["echo", "hello"], "[plugin.echo.rate_limit]\nper_address = \"1/h burst 4\"\n");
    assert_eq!(server.get("/echo/items/1").status, 200);
    assert_eq!(answered(&server, "/echo/all/a"), 3);
    check_held_off(&server.get("/echo/items/1"));
    assert_eq!(answered(&server, "/hello/Ada"), 10);
    server.check_health();
}

#[test]
fn a_line_about_routes_holds_for_those_together() {
    let lines = "[plugin.echo.rate_limit.routes]\nPOST = { per_caller = \"1/h burst 3\" }\n";
    let server = start(&["echo"], lines);
    assert_eq!(server.send("POST", "/echo/small").status, 200);
    assert_eq!(answered_by(|| server.send("POST", "/echo/all/a")), 2);
    check_held_off(&server.send("POST", "/echo/small"));
    assert_eq!(answered(&server, "/echo/all/a"), 10);
}

#[test]
fn the_servers_limit_holds_for_plugins_and_the_api_together() {
    let server = start(&["hello"], "[rate_limit]\nper_address = \"1/h burst 6\"\n");
    for path in ["/hello/Ada", "/api/status", "/api/plugins", "/hello/Ada", "/api/auth/me"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(answered(&server, "/hello/Ada"), 1);
    for path in ["/api/status", "/api/plugins", "/api/auth/me"] {
        check_held_off(&server.get(path));
    }
    // Who watches the server is never held off.
    server.check_health();
}

#[test]
fn a_caller_is_a_subject_and_an_address_is_whoever_calls_from_there() {
    let lines = "[plugin.private.rate_limit]\nper_caller = \"1/h burst 3\"\nper_address = \"1/h burst 8\"\n";
    let server = start(&["private"], lines);
    let [ada, bob] = ["ada", "bob"].map(|name| server.sign_up(name, "", "").access);
    assert_eq!(answered_by(|| server.get_as(&ada, "/private")), 3);
    assert_eq!(answered_by(|| server.get_as(&bob, "/private")), 3);
    // Strangers are one caller for each address, and here the address comes first.
    assert_eq!(answered(&server, "/private/lobby"), 2);
    let elsewhere = server.client_from("127.0.0.9");
    let send = || {
        let request = elsewhere.get(format!("http://{}/private/lobby", server.address()));
        server.receive(request)
    };
    assert_eq!(answered_by(send), 3);
}

#[test]
fn a_request_that_may_not_be_made_is_not_counted() {
    let server = start(&["private"], "[plugin.private.rate_limit]\nper_address = \"1/h burst 3\"\n");
    for _ in 0..10 {
        server.get("/private").check_problem(401, "unauthenticated");
        server.get("/private/nothing").check_problem(404, "not_found");
    }
    assert_eq!(answered(&server, "/private/lobby"), 3);
}

#[test]
fn a_new_version_gives_nobody_a_full_bucket() {
    let server = start(&["hello"], "[plugin.hello.rate_limit]\nper_address = \"1/h burst 5\"\n");
    for _ in 0..5 {
        assert_eq!(server.get("/hello/Ada").status, 200);
    }
    let next = rebuilt("hello", 1);
    server.put("hello.wasm", &next);
    let hash = sha256(&next);
    wait_until("the new version", || server.get("/api/plugins/hello").json()["hash"] == hash.as_str());
    check_held_off(&server.get("/hello/Ada"));
}

#[test]
fn a_line_about_no_route_keeps_its_plugin_out() {
    let lines = "[plugin.hello.rate_limit.routes]\n\"GET /people\" = { per_caller = \"1/s\" }\n";
    let reason = start(&["hello"], lines).wait_for_refusal("hello.wasm");
    assert!(reason.contains("[plugin.hello.rate_limit.routes] \"GET /people\" is about no route"), "{reason}");
}

#[test]
fn a_bucket_fills_again() {
    let server = start(&["hello"], "[plugin.hello.rate_limit]\nper_address = \"10/s burst 2\"\n");
    wait_until("a caller that is held off", || server.get("/hello/Ada").status == 429);
    server.wait_for_status("/hello/Ada", 200);
}
