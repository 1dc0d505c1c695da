//! The start of a plugin's first instance decides whether the plugin goes live.

use crate::harness::{Server, Stopwatch, check_neighbour};

/// Starts a server with a plugin that does not start, and checks that it says so and serves everything else.
#[track_caller]
fn check_refused(guest: &str, reason: &str) {
    let server = Server::start(&["hello", guest]);
    let why = server.wait_for_refusal(&format!("{guest}.wasm"));
    assert!(why.contains(reason), "{why}");
    assert_eq!(server.get(&format!("/{guest}")).status, 404);
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn slow_init_is_given_up() {
    let watch = Stopwatch::start();
    check_refused("slow-init", "failed to start: guest failed: its init was not done in time");
    assert!(watch.elapsed().as_secs() < 30, "the guest wants a minute, and gets a second");
}

#[test]
fn trap_in_init_keeps_the_plugin_from_going_live() {
    check_refused("trap-in-init", "failed to start: guest failed");
}

#[test]
fn init_refuses_and_its_reason_is_shown() {
    check_refused("init-refuses", "the stars are not right");
}

#[test]
fn a_plugin_that_does_not_start_never_replaces_one_that_runs() {
    let server = Server::start(&["hello"]);
    server.put("trap-in-init.wasm", &crate::harness::component("trap-in-init"));
    server.wait_for_refusal("trap-in-init.wasm");
    server.put("hello.wasm", &crate::harness::component("trap-in-init"));
    server.wait_for_refusal("hello.wasm");
    check_neighbour(&server);
}
