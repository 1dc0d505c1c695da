//! Earlier versions: kept, listed, and made live again.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, Setup, put_file, sha256, wait_until, with_text, with_version};

/// Starts a server and drops versions into it, one after the other.
fn serve(versions: &[&str]) -> Server {
    let server = Setup::new().start();
    for version in versions {
        server.put("versioned.wasm", &with_version(version));
        server.wait_for_text("/versioned", &format!("version {version}"));
    }
    server
}

fn roll_back(server: &Server, body: Option<&Value>) -> Answer {
    let request = server.request("POST", "/api/plugins/versioned/rollback");
    let request = body.into_iter().fold(request, |request, body| request.json(body));
    request.send().and_then(Answer::receive).expect("an answer")
}

#[track_caller]
fn listed(server: &Server) -> Vec<(String, bool)> {
    let versions = server.get("/api/plugins/versioned/versions").json();
    let versions = versions.as_array().expect("the versions are a list");
    let read = |version: &Value| (version["version"].as_str().unwrap_or_default().into(), version["live"] == true);
    versions.iter().map(read).collect()
}

#[test]
fn goes_back_to_the_version_before() {
    let server = serve(&["7.7.101", "7.7.102"]);
    let answer = roll_back(&server, None);
    assert_eq!((answer.status, &answer.json()["version"]), (200, &"7.7.101".into()), "{}", answer.text());
    server.get("/versioned").check_text("version 7.7.101");
    assert_eq!(listed(&server), [("7.7.102".into(), false), ("7.7.101".into(), true)]);
}

#[test]
fn goes_to_any_version_that_is_kept() {
    let server = serve(&["7.7.101", "7.7.102", "7.7.103"]);
    let hash = sha256(&with_version("7.7.101"));
    let answer = roll_back(&server, Some(&json!({ "hash": hash })));
    assert_eq!((answer.status, &answer.json()["hash"]), (200, &hash.into()), "{}", answer.text());
    server.get("/versioned").check_text("version 7.7.101");
    let hash = sha256(&with_version("7.7.103"));
    assert_eq!(roll_back(&server, Some(&json!({ "hash": hash }))).status, 200);
    server.get("/versioned").check_text("version 7.7.103");
}

#[test]
fn keeps_the_last_five_versions_newest_first() {
    let server = serve(&["7.7.101", "7.7.102", "7.7.103", "7.7.104", "7.7.105", "7.7.106", "7.7.107"]);
    let expected = ["7.7.107", "7.7.106", "7.7.105", "7.7.104", "7.7.103"];
    assert_eq!(listed(&server), expected.map(|version| (version.to_owned(), version == "7.7.107")));
    let entry = &server.get("/api/plugins/versioned/versions").json()[0];
    assert_eq!(entry["hash"], sha256(&with_version("7.7.107")));
    assert_eq!(entry["file"], "versioned.wasm");
    assert!(entry["loaded_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{entry}");
    let gone = sha256(&with_version("7.7.101"));
    roll_back(&server, Some(&json!({ "hash": gone }))).check_problem(404, "unknown_version");
}

#[test]
fn stays_rolled_back_after_a_restart_until_the_file_changes() {
    let server = serve(&["7.7.101", "7.7.102"]);
    assert_eq!(roll_back(&server, None).status, 200);
    let server = server.stop().start();
    server.get("/versioned").check_text("version 7.7.101");
    assert_eq!(listed(&server), [("7.7.102".into(), false), ("7.7.101".into(), true)]);
    server.put("versioned.wasm", &with_version("7.7.103"));
    server.wait_for_text("/versioned", "version 7.7.103");
}

#[test]
fn stays_rolled_back_when_another_plugin_had_its_path_for_a_while() {
    let server = serve(&["7.7.101", "7.7.102"]);
    assert_eq!(roll_back(&server, None).status, 200);
    let setup = server.stop();
    std::fs::remove_file(setup.folder().join("versioned.wasm")).expect("the file is in the folder");
    let other = with_text("versioned", r#""name":"versioned""#, r#""name":"squatters""#);
    put_file(&setup.folder(), "squatters.wasm", &other);
    let config = "[folder]\nremoval_grace = \"300ms\"\n[plugin.squatters]\nmount = \"/versioned\"\n";
    let server = setup.config(config).start();
    server.get("/versioned").check_text("version 7.7.100");
    // What was chosen loads, and cannot go live yet.
    server.put("versioned.wasm", &with_version("7.7.102"));
    let reason = server.wait_for_refusal("versioned.wasm");
    assert!(reason.contains("claims `/versioned"), "{reason}");
    server.remove("squatters.wasm");
    server.wait_for_text("/versioned", "version 7.7.101");
    assert_eq!(server.get("/api/plugins/versioned").json()["rolled_back"], true);
    let server = server.stop().start();
    server.get("/versioned").check_text("version 7.7.101");
}

#[test]
fn a_choice_ends_when_a_file_with_that_very_content_takes_over() {
    let server = serve(&["7.7.101", "7.7.102"]);
    assert_eq!(roll_back(&server, None).json()["rolled_back"], true);
    server.put("other.wasm", &with_version("7.7.101"));
    server.wait_for_refusal("other.wasm");
    server.remove("versioned.wasm");
    wait_until("the other file to take over", || server.get("/api/plugins/versioned").json()["file"] == "other.wasm");
    let view = server.get("/api/plugins/versioned").json();
    assert_eq!((&view["version"], &view["rolled_back"]), (&"7.7.101".into(), &false.into()), "{view}");
    server.get("/versioned").check_text("version 7.7.101");
}

#[test]
fn serves_the_last_good_version_when_a_restart_finds_a_broken_file() {
    let setup = serve(&["7.7.101"]).stop();
    put_file(&setup.folder(), "versioned.wasm", b"broken");
    let server = setup.start();
    server.wait_for_text("/versioned", "version 7.7.101");
    let reason = server.wait_for_refusal("versioned.wasm");
    assert!(reason.contains("not WebAssembly"), "{reason}");
}

#[test]
fn fails_no_request_while_it_goes_back_and_forth() {
    let server = serve(&["7.7.101", "7.7.102"]);
    let hashes = ["7.7.101", "7.7.102"].map(|version| sha256(&with_version(version)));
    std::thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            for hash in hashes.iter().cycle().take(20) {
                assert_eq!(roll_back(&server, Some(&json!({ "hash": hash }))).status, 200);
            }
        });
        while !swaps.is_finished() {
            let answer = server.get("/versioned");
            assert!(answer.status == 200 && answer.text().starts_with("version 7.7.10"), "{answer:?}");
        }
    });
}

#[test]
fn says_why_there_is_nothing_to_go_back_to() {
    let server = serve(&["7.7.101"]);
    roll_back(&server, None).check_problem(409, "no_earlier_version");
    roll_back(&server, Some(&json!({ "hash": "0".repeat(64) }))).check_problem(404, "unknown_version");
    roll_back(&server, Some(&json!({ "hash": "short" }))).check_problem(400, "invalid_request");
    roll_back(&server, Some(&json!({ "version": "7.7.101" }))).check_problem(400, "invalid_request");
    let unknown = server.send("POST", "/api/plugins/nobody/rollback");
    unknown.check_problem(404, "unknown_plugin");
    server.get("/api/plugins/nobody/versions").check_problem(404, "unknown_plugin");
    server.get("/versioned").check_text("version 7.7.101");
}

#[test]
fn forgets_nothing_when_the_file_goes_away_for_a_while() {
    let server = serve(&["7.7.101", "7.7.102"]);
    server.remove("versioned.wasm");
    server.wait_for_status("/versioned", 404);
    server.put("versioned.wasm", &with_version("7.7.102"));
    server.wait_for_text("/versioned", "version 7.7.102");
    wait_until("both versions to be listed", || listed(&server).len() == 2);
    assert_eq!(roll_back(&server, None).status, 200);
    server.get("/versioned").check_text("version 7.7.101");
}
