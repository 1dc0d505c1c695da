//! Dropping, replacing and removing plugins while the server serves.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::harness::{
    Server, Setup, StopOnDrop, Stopwatch, check_neighbour, component, rebuilt, wait_until, with_version,
};

#[test]
fn a_dropped_plugin_answers_within_a_second() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/hello/Ada").status, 404);
    let watch = Stopwatch::start();
    server.put("hello.wasm", &component("hello"));
    server.wait_for_text("/hello/Ada", r#"{"hello":"Ada"}"#);
    let taken = watch.elapsed();
    // The promise is a second; a machine that runs all tests at once gets a little more.
    assert!(taken < Duration::from_secs(3), "{taken:?}");
    let view = server.get("/api/plugins/hello").json();
    assert_eq!((&view["state"], &view["file"]), (&"live".into(), &"hello.wasm".into()), "{view}");
}

#[test]
fn replacing_a_plugin_under_load_fails_no_request() {
    let server = Setup::new().start();
    server.put("versioned.wasm", &with_version("7.7.101"));
    server.wait_for_text("/versioned", "version 7.7.101");
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let answer = server.get("/versioned");
                    assert!(answer.status == 200 && answer.text().starts_with("version 7.7.1"), "{answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let done = StopOnDrop(&over);
        for version in 102..=109 {
            server.put("versioned.wasm", &with_version(&format!("7.7.{version}")));
            server.wait_for_text("/versioned", &format!("version 7.7.{version}"));
        }
        drop(done);
    });
    assert!(answered.load(Ordering::Relaxed) > 100, "{answered:?} requests are no load");
}

#[test]
fn a_call_in_flight_finishes_on_the_version_that_it_began_with() {
    let server = Server::start(&["slow-handler"]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.get("/slow-handler/5000"));
        server.wait_for_log("read of 5000 ms began");
        server.put("slow-handler.wasm", &rebuilt("slow-handler", 1));
        let draining = || server.list().iter().any(|view| view["state"] == "draining");
        wait_until("the old version to drain", draining);
        slow.join().expect("a thread that answers").check_text("slept 5000 ms");
        wait_until("the old version to be gone", || !draining());
    });
}

#[test]
fn versioned_shows_a_refused_version_beside_the_one_that_serves() {
    let server = Setup::new().start();
    server.put("versioned.wasm", &with_version("7.7.101"));
    server.wait_for_text("/versioned", "version 7.7.101");
    server.put("versioned.wasm", b"broken");
    let reason = server.wait_for_refusal("versioned.wasm");
    assert!(reason.contains("not WebAssembly"), "{reason}");
    let view = server.get("/api/plugins/versioned").json();
    assert_eq!((&view["state"], &view["version"]), (&"live".into(), &"7.7.101".into()), "{view}");
    server.get("/versioned").check_text("version 7.7.101");
    // The reason goes away with the fault.
    server.put("versioned.wasm", &with_version("7.7.102"));
    server.wait_for_text("/versioned", "version 7.7.102");
    assert_eq!(server.get("/api/plugins/versioned").json()["reason"], serde_json::Value::Null);
}

#[test]
fn removing_a_file_removes_its_routes_and_putting_it_back_brings_them_back() {
    let server = Server::start(&["hello", "versioned"]);
    server.remove("versioned.wasm");
    server.wait_for_status("/versioned", 404);
    server.get("/api/plugins/versioned").check_problem(404, "unknown_plugin");
    check_neighbour(&server);
    server.put("versioned.wasm", &component("versioned"));
    server.wait_for_text("/versioned", "version 7.7.100");
}

#[test]
fn renaming_a_file_changes_nothing_for_clients() {
    let server = Server::start(&["hello"]);
    std::fs::rename(server.folder().join("hello.wasm"), server.folder().join("greeter.wasm")).expect("renamed");
    wait_until("the new name to be known", || {
        check_neighbour(&server);
        server.get("/api/plugins/hello").json()["file"] == "greeter.wasm"
    });
    check_neighbour(&server);
}

#[test]
fn moving_a_file_over_another_removes_the_plugin_that_was_there() {
    let server = Server::start(&["hello", "versioned"]);
    let file = |name: &str| server.folder().join(name);
    std::fs::rename(file("hello.wasm"), file("versioned.wasm")).expect("renamed");
    wait_until("the new name to be known", || {
        check_neighbour(&server);
        server.get("/api/plugins/hello").json()["file"] == "versioned.wasm"
    });
    assert_eq!(server.get("/api/plugins/hello").json()["reason"], serde_json::Value::Null);
    // No file brings the other one any more.
    server.get("/api/plugins/versioned").check_problem(404, "unknown_plugin");
    assert_eq!(server.get("/versioned").status, 404);
    wait_until("its version to be written down as gone", || {
        server.get("/api/plugins/versioned/versions").json()[0]["live"] == false
    });
    // Its name is free.
    server.put("other.wasm", &with_version("7.7.101"));
    server.wait_for_text("/versioned", "version 7.7.101");
    check_neighbour(&server);
}

#[test]
fn a_server_that_starts_is_ready_when_every_valid_plugin_is_live() {
    let server = Setup::new().plugins(&["hello", "versioned", "trap-in-init", "counter-fresh", "echo"]).start();
    for path in ["/hello/Ada", "/versioned", "/counter-fresh", "/echo/all/"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(server.get("/api/status").json()["plugins"], 4);
}
