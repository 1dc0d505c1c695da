//! How long an instance lives, and what the next one finds.

use crate::harness::{Server, Setup};

#[test]
fn counter_fresh_never_gets_past_one() {
    let server = Server::start(&["counter-fresh"]);
    for _ in 0..50 {
        server.get("/counter-fresh").check_text("1");
    }
}

#[test]
fn counter_reused_counts_in_one_instance() {
    let server = Server::start(&["counter-reused"]);
    let counts: Vec<u32> = (0..50).map(|_| count(&server)).collect();
    assert!(counts.iter().any(|count| *count > 10), "calls one after another share an instance: {counts:?}");
}

#[test]
fn counter_reused_is_replaced_after_a_panic() {
    let server = Server::start(&["counter-reused"]);
    while count(&server) < 5 {}
    server.get("/counter-reused/panic").check_problem(500, "plugin_failed");
    assert_eq!(count(&server), 1);
}

#[test]
fn counter_reused_is_replaced_before_it_gets_old() {
    let server = Server::start(&["counter-reused"]);
    let most = (0..2100).map(|_| count(&server)).max();
    assert_eq!(most, Some(1024));
}

#[test]
fn counter_reused_is_fresh_where_the_operator_says_so() {
    let setup = Setup::new().plugins(&["counter-reused"]);
    let server = setup.config("[plugin.counter-reused]\ninstance = \"fresh\"\n").start();
    for _ in 0..20 {
        assert_eq!(count(&server), 1);
    }
    assert_eq!(server.get("/api/plugins/counter-reused").json()["instance"], "fresh");
}

#[test]
fn leftover_memory_is_cleared() {
    let server = Server::start(&["leftover"]);
    for _ in 0..20 {
        server.get("/leftover").check_text("0");
    }
}

#[track_caller]
fn count(server: &Server) -> u32 {
    let answer = server.get("/counter-reused");
    answer.text().parse().unwrap_or_else(|_| panic!("{answer:?}"))
}
