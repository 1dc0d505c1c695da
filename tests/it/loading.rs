//! Files that come, change and are rolled back while one is being loaded: the fixture `slow-init` is for some seconds,
//! and is refused then.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, Setup, component, replaced, sha256, wait_until, with_text, with_version};

/// The file of the plugin `slow-init`.
const FILE: &str = "slow-init.wasm";

/// Leaves time for all that is to happen while `slow-init` starts.
const CONFIG: &str = "[folder]\nremoval_grace = \"300ms\"\n[limits]\ninit_timeout = \"5s\"\n";

/// Why `slow-init` is refused.
const TOO_SLOW: &str = "its init was not done in time";

/// Returns another plugin of the name `slow-init`, which starts at once and answers with its version.
#[track_caller]
fn quick(version: &str) -> Vec<u8> {
    replaced(with_version(version), r#""name":"versioned""#, r#""name":"slow-init""#)
}

#[track_caller]
fn wait_until_loading(server: &Server, file: &str) {
    let is_loading = |view: &Value| view["file"] == file && view["state"] == "loading";
    wait_until("the file to be loaded", || server.list().iter().any(is_loading));
}

#[track_caller]
fn roll_back(server: &Server, to: &[u8]) -> Answer {
    let request = server.request("POST", "/api/plugins/slow-init/rollback");
    server.receive(request.json(&json!({ "hash": sha256(to) })))
}

#[test]
fn a_rollback_that_fails_lets_the_newest_file_be_loaded_again() {
    let setup = Setup::new().config(&format!("{CONFIG}[plugin.slow-init.config]\ngreeting = \"Moin\"\n"));
    let server = setup.start();
    let oldest = with_text("config-reader", r#""name":"config-reader""#, r#""name":"slow-init"    "#);
    server.put(FILE, &oldest);
    server.wait_for_status("/slow-init", 200);
    // Without its setting it does not load any more.
    let server = server.stop().config(CONFIG).start();
    server.put(FILE, &quick("7.7.101"));
    server.wait_for_text("/slow-init", "version 7.7.101");

    server.put(FILE, &component("slow-init"));
    wait_until_loading(&server, FILE);
    roll_back(&server, &oldest).check_problem(422, "invalid_plugin");
    let reason = server.wait_for_refusal(FILE);
    assert!(reason.contains(TOO_SLOW), "{reason}");
    server.get("/slow-init").check_text("version 7.7.101");
}

#[test]
fn a_rollback_keeps_the_newest_file_so_that_it_can_be_rolled_forward_to() {
    let server = Setup::new().config(CONFIG).start();
    for version in ["7.7.101", "7.7.102"] {
        server.put(FILE, &quick(version));
        server.wait_for_text("/slow-init", &format!("version {version}"));
    }
    let newest = component("slow-init");
    server.put(FILE, &newest);
    wait_until_loading(&server, FILE);
    assert_eq!(roll_back(&server, &quick("7.7.101")).status, 200);
    server.get("/slow-init").check_text("version 7.7.101");
    let versions = server.get("/api/plugins/slow-init/versions").json();
    let listed = [(newest.clone(), false), (quick("7.7.102"), false), (quick("7.7.101"), true)];
    let listed = listed.map(|(bytes, live)| json!([sha256(&bytes), live]));
    let versions = versions.as_array().expect("the versions are a list");
    let versions: Vec<_> = versions.iter().map(|version| json!([version["hash"], version["live"]])).collect();
    assert_eq!(versions, listed);
    // Now is when it is seen what it is worth.
    roll_back(&server, &newest).check_problem(422, "invalid_plugin");
    // The choice is one between these versions, over a restart too.
    let server = server.stop().start();
    server.get("/slow-init").check_text("version 7.7.101");
    assert_eq!(server.get("/api/plugins/slow-init").json()["rolled_back"], true);
}

#[test]
fn a_rollback_does_not_lose_another_plugin_that_its_file_holds_by_now() {
    let server = Setup::new().config(CONFIG).start();
    for version in ["7.7.101", "7.7.102"] {
        server.put("versioned.wasm", &with_version(version));
        server.wait_for_text("/versioned", &format!("version {version}"));
    }
    server.put("versioned.wasm", &component("slow-init"));
    wait_until_loading(&server, "versioned.wasm");
    assert_eq!(server.send("POST", "/api/plugins/versioned/rollback").status, 200);
    let reason = server.wait_for_refusal("versioned.wasm");
    assert!(reason.contains(TOO_SLOW), "{reason}");
    server.get("/versioned").check_text("version 7.7.101");
}

#[test]
fn of_two_files_with_one_new_plugin_the_first_has_its_name() {
    let server = Setup::new().start();
    server.put("first.wasm", &component("versioned"));
    server.wait_for_text("/versioned", "version 7.7.100");
    server.put("first.wasm", &quick("7.7.101"));
    server.put("second.wasm", &quick("7.7.102"));
    let reason = server.wait_for_refusal("second.wasm");
    assert!(reason.contains("`slow-init` already comes from `first.wasm`"), "{reason}");
    server.wait_for_text("/slow-init", "version 7.7.101");
    assert_eq!(server.get("/api/plugins/slow-init").json()["file"], "first.wasm");
    server.remove("first.wasm");
    server.wait_for_text("/slow-init", "version 7.7.102");
}

#[test]
fn a_name_is_free_again_when_what_was_loaded_for_it_is_refused_or_replaced() {
    let server = Setup::new().config(CONFIG).start();
    let names_taken = |version: &str| {
        server.put("versioned.wasm", &with_version(version));
        server.wait_for_text("/versioned", &format!("version {version}"));
        server.put("versioned.wasm", &component("slow-init"));
        wait_until_loading(&server, "versioned.wasm");
        server.put(FILE, &quick(version));
        let reason = server.wait_for_refusal(FILE);
        assert!(reason.contains("`slow-init` already comes from `versioned.wasm`"), "{reason}");
    };
    names_taken("7.7.101");
    server.wait_for_text("/slow-init", "version 7.7.101");
    let reason = server.wait_for_refusal("versioned.wasm");
    assert!(reason.contains(TOO_SLOW), "{reason}");
    server.get("/versioned").check_text("version 7.7.101");

    server.remove(FILE);
    server.wait_for_status("/slow-init", 404);
    names_taken("7.7.102");
    server.put("versioned.wasm", &with_version("7.7.103"));
    server.wait_for_text("/slow-init", "version 7.7.102");
    server.wait_for_text("/versioned", "version 7.7.103");
}

#[test]
fn a_file_that_takes_a_plugin_over_brings_no_other() {
    let server = Setup::new().plugins(&["hello"]).start();
    server.put("first.wasm", &quick("7.7.101"));
    server.wait_for_text("/slow-init", "version 7.7.101");
    server.put("hello.wasm", &component("slow-init"));
    let reason = server.wait_for_refusal("hello.wasm");
    assert!(reason.contains("already comes from `first.wasm`"), "{reason}");
    server.remove("first.wasm");
    // What it holds is refused, and what it took over serves: that, and not what it held before.
    wait_until("the refusal to be shown", || {
        let view = server.get("/api/plugins/slow-init").json();
        view["file"] == "hello.wasm" && view["reason"].as_str().is_some_and(|reason| reason.contains(TOO_SLOW))
    });
    server.get("/slow-init").check_text("version 7.7.101");
    assert_eq!(server.get("/hello/Ada").status, 404);
}
