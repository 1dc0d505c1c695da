//! A plugin that asks more of its state than it may have: it is told so, and nobody else notices.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::json;

use crate::harness::{Server, Setup, beside_a_neighbour, wait_until};

fn start() -> Server {
    Server::start(&["kv-attacks", "hello"])
}

#[track_caller]
fn check_rows(server: &Server, rows: usize) {
    assert_eq!(server.get("/kv-attacks/rows").json()["rows"], rows);
}

#[test]
fn kv_attacks_without_end_are_stopped_at_the_cpu_budget() {
    let config = "[plugin.kv-attacks]\ncpu = \"200ms\"\n";
    let server = Setup::new().plugins(&["kv-attacks", "hello"]).config(config).start();
    for (method, path) in [("GET", "/endless-reads"), ("GET", "/endless-lists"), ("POST", "/endless-writes")] {
        beside_a_neighbour(&server, || {
            thread::scope(|scope| {
                for _ in 0..3 {
                    let attack = || server.send(method, &format!("/kv-attacks{path}"));
                    scope.spawn(move || attack().check_problem(504, "plugin_timeout"));
                }
            });
        });
    }
    check_rows(&server, 0);
    server.check_health();
}

#[test]
fn kv_attacks_that_hold_all_memory_for_what_is_written_leave_the_others_theirs() {
    let (server, is_over) = (Server::start(&["kv-attacks", "script"]), AtomicBool::new(false));
    let attack = || {
        for _ in 0..10 {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let answer = server.send("POST", "/kv-attacks/hold/4/1040000/8000");
            let code = answer.json()["code"].as_str().map(str::to_owned);
            let may = [(409, "conflict"), (503, "state_unavailable")];
            assert!(may.contains(&(answer.status, code.as_deref().unwrap_or_default())), "{} {code:?}", answer.status);
        }
    };
    thread::scope(|scope| {
        // Half of 256 MiB is what one plugin has: thirty of these.
        (0..40).for_each(|_| drop(scope.spawn(attack)));
        wait_until("the attack to be refused", || {
            let refused = server.send("POST", "/kv-attacks/fill/one/4/1040000");
            refused.status == 503 && refused.json()["code"] == "state_unavailable"
        });
        assert_eq!(server.script(&json!([{"set": ["key", "1"]}, {"get": "key"}])).json(), json!([null, "1"]));
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.send("POST", "/kv-attacks/fill/one/3/1040000").status, 204);
    server.check_health();
}

#[test]
fn kv_attacks_that_hold_all_readers_are_not_told_that_they_ran_out_of_time() {
    let config = "[state]\nreaders = 2\n[plugin.kv-attacks]\ntimeout = \"2s\"\n";
    let server = Setup::new().plugins(&["kv-attacks", "hello"]).config(config).start();
    thread::scope(|scope| {
        let first = scope.spawn(|| server.get("/kv-attacks/slow-count/nothing/1800"));
        server.wait_for_log("read nothing");
        server.get("/kv-attacks/count/nothing").check_problem(503, "state_unavailable");
        assert_eq!(first.join().expect("no panic").json(), json!([0, 0, 0]));
    });
    assert_eq!(server.get("/kv-attacks/count/nothing").json(), 0);
    server.check_health();
}

#[test]
fn kv_attacks_that_leave_a_call_in_any_way_leave_nothing() {
    let server = start();
    for (path, status, code) in [
        ("/fail/a", 409, "conflict"),
        ("/trap/a", 500, "plugin_failed"),
        ("/exit/a", 500, "plugin_failed"),
        ("/late/a", 504, "plugin_timeout"),
        ("/long-answer/a/9000000", 500, "plugin_invalid_response"),
        ("/broken-answer/a", 500, "plugin_invalid_response"),
    ] {
        server.send("POST", &format!("/kv-attacks{path}")).check_problem(status, code);
        check_rows(&server, 0);
    }
    server.check_health();
}

#[test]
fn kv_attacks_with_names_that_are_too_long_are_refused() {
    let server = start();
    for (bytes, expected) in
        [(1, json!(vec![true; 4])), (64, json!(vec![true; 4])), (65, json!([false, true, true, true]))]
    {
        assert_eq!(server.send("POST", &format!("/kv-attacks/names/{bytes}")).json(), expected, "{bytes}");
    }
    for (bytes, valid) in [(512, true), (513, false), (1 << 20, false)] {
        let expected = json!([false, valid, valid, valid]);
        assert_eq!(server.send("POST", &format!("/kv-attacks/names/{bytes}")).json(), expected, "{bytes}");
    }
    assert_eq!(server.send("POST", "/kv-attacks/key/512").status, 204);
    for bytes in [0, 513, 1 << 20] {
        server.send("POST", &format!("/kv-attacks/key/{bytes}")).check_problem(422, "invalid_key");
    }
    server.check_health();
}

#[test]
fn kv_attacks_with_more_keys_than_one_call_may_are_cut_off() {
    let server = start();
    server.send("POST", "/kv-attacks/fill/a/100000/1").check_problem(422, "transaction_too_large");
    server.send("POST", "/kv-attacks/fill/a/5/1048576").check_problem(422, "transaction_too_large");
    server.send("POST", "/kv-attacks/fill/a/1/1048577").check_problem(422, "value_too_large");
    check_rows(&server, 0);
    // One that does not listen gets what it was told it has.
    assert_eq!(server.send("POST", "/kv-attacks/insist/b/20000").json(), 10_000);
    check_rows(&server, 10_000);
    assert_eq!(server.get("/kv-attacks/longest-page").json(), 1000);
    assert_eq!(server.get("/kv-attacks/many/100").json(), 100);
    server.get("/kv-attacks/many/101").check_problem(422, "transaction_too_large");
    assert_eq!(server.send("DELETE", "/kv-attacks/fill/b").json(), 10_000);
    check_rows(&server, 0);
    server.check_health();
}

#[test]
fn kv_attacks_by_many_large_transactions_at_once_leave_the_neighbour_alone() {
    let config = "[plugin.kv-attacks]\nstate_bytes_max = \"16MiB\"\n";
    let server = Setup::new().plugins(&["kv-attacks", "hello"]).config(config).start();
    beside_a_neighbour(&server, || {
        thread::scope(|scope| {
            for attacker in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    for _ in 0..3 {
                        let path = format!("/kv-attacks/fill/{attacker}/3/1048000");
                        let answer = server.send("POST", &path);
                        let may = [(204, ""), (507, "quota_exceeded"), (503, "store_busy")];
                        let code = if answer.status == 204 {
                            String::new()
                        } else {
                            answer.json()["code"].as_str().unwrap_or_default().to_owned()
                        };
                        assert!(may.contains(&(answer.status, code.as_str())), "{} {code}", answer.status);
                    }
                });
            }
        });
    });
    // Five fit: each has three megabytes.
    check_rows(&server, 15);
    server.check_health();
}
