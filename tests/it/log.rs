//! What guests write to the operator's log.

use crate::harness::{Server, Setup, beside_a_neighbour};

#[test]
fn log_flood_is_cut_to_the_plugins_budget_and_counted() {
    let server = Setup::new().plugins(&["log-flood", "hello"]).start();
    beside_a_neighbour(&server, || {
        assert_eq!(server.get("/log-flood/lines/100000").status, 204);
        assert_eq!(server.get("/log-flood/stderr/100000").status, 204);
    });
    let answer = server.get("/log-flood/lines/1");
    assert_eq!(answer.status, 204);
    server.check_health();
    let lines = server.log().iter().filter(|line| line.contains("flood line")).count();
    // The burst, and what came in while the flood ran, far below what was written.
    assert!((900..20_000).contains(&lines), "{lines} of 200,001 lines");
    server.wait_for_log("dropped");
}

#[test]
fn log_flood_of_one_long_line_is_cut() {
    let server = Server::start(&["log-flood"]);
    assert_eq!(server.get("/log-flood/long").status, 204);
    let line = server.wait_for_log("longlong");
    assert!(line.len() < 16 << 10, "{} bytes", line.len());
}

#[test]
fn log_flood_cannot_forge_a_line() {
    let server = Server::start(&["log-flood"]);
    let answer = server.get("/log-flood/forged");
    let line = server.wait_for_log("forged");
    assert!(line.contains("red") && line.contains(answer.header("x-request-id").expect("an id")), "{line}");
    assert!(!line.contains('\u{1b}'), "{line:?}");
    let log = server.log();
    assert!(!log.iter().any(|line| line.starts_with("{\"level\":\"ERROR\"}")), "{log:?}");
}

#[test]
fn a_guests_line_names_the_plugin_its_version_and_the_call() {
    let server = Server::start(&["log-flood"]);
    let answer = server.get("/log-flood/lines/1");
    let line = server.wait_for_log("flood line 0");
    for part in ["log-flood", "0.1.0", answer.header("x-request-id").expect("an id")] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}
