//! What an operator does with the database: look, copy, go back, hand out, delete.

use std::{
    fs,
    path::Path,
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::harness::{Connection, Database, Preload, Server, Setup, StopOnDrop, backplane, with_version};

/// Runs a command of the program on a data folder, and returns how it ended and what it said.
#[track_caller]
fn run(arguments: &[&str], data: &Path) -> (bool, String) {
    let output = backplane().args(arguments).arg("--data").arg(data).output().expect("the program starts");
    let Output { status, stdout, stderr } = output;
    assert!(matches!(status.code(), Some(0 | 1)), "{arguments:?} ended with {status}");
    (status.success(), [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

#[track_caller]
fn check_runs(arguments: &[&str], data: &Path) -> String {
    let (success, said) = run(arguments, data);
    assert!(success, "{arguments:?}: {said}");
    said
}

#[track_caller]
fn check_refuses(arguments: &[&str], data: &Path, reason: &str) {
    let (success, said) = run(arguments, data);
    assert!(!success && said.contains(reason), "{arguments:?}: no `{reason}` in {said}");
}

/// A folder for backups, and the path of one in it.
fn place() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let file = folder.path().join("backup.sqlite").to_string_lossy().into_owned();
    (folder, file)
}

/// Moves one from one key to another and counts that, without end: the two keys together are always nothing.
fn write_until(server: &Server, over: &AtomicBool) {
    let mut connection = Connection::open(server);
    let steps = json!([{"add": ["left", -1]}, {"add": ["right", 1]}, {"increment": ["moves", 1]}]);
    while !over.load(Ordering::Relaxed) {
        assert_eq!(connection.script(&steps).expect("an answer").status, 200);
    }
}

#[track_caller]
fn number(seen: &Value) -> i64 {
    seen.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{seen} is no number"))
}

#[test]
fn a_backup_of_a_server_that_writes_is_one_moment_and_serves_from_a_new_folder() {
    let (_folder, backup) = place();
    let server = Server::start(&["script", "ledger"]);
    let repeat = |server: &Server| server.script_as(&json!([{"set": ["kept", "1"]}]), &[("idempotency-key", "a")]);
    assert_eq!(repeat(&server).status, 200);
    let over = AtomicBool::new(false);
    let moves = json!([{"get": "left"}, {"get": "right"}, {"get": "moves"}]);
    let (before, after) = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| write_until(&server, &over));
        }
        let _stop = StopOnDrop(&over);
        crate::harness::wait_until("some writes", || !server.look(&moves)[2].is_null());
        let before = number(&server.look(&moves)[2]);
        check_runs(&["backup", &backup], &server.data());
        (before, number(&server.look(&moves)[2]))
    });
    let restored = Setup::new().plugins(&["script", "ledger"]);
    check_runs(&["restore", &backup], &restored.data());
    // The key that opens what is encrypted in the database is kept apart from it.
    fs::copy(server.data().join("master.key"), restored.data().join("master.key")).expect("copied");
    let restored = restored.start();
    assert_eq!(restored.get("/api/plugins/script").status, 200, "who could use the API still can");
    let seen = restored.look(&moves);
    let [left, right, moves] = [0, 1, 2].map(|place| number(&seen[place]));
    assert_eq!((left, right), (-moves, moves), "the backup is of no one moment");
    assert!((before..=after).contains(&moves), "{before} to {after}, but {moves}");
    assert_eq!(repeat(&restored).header("idempotency-replayed"), Some("true"));
    assert_eq!(restored.script(&json!([{"set": ["new", "1"]}])).status, 200);
    let setup = restored.stop();
    Database::open(&setup.data()).check();
}

#[test]
fn a_backup_holds_the_versions_and_the_choice_of_one() {
    let (_folder, backup) = place();
    let server = Setup::new().start();
    for version in ["7.7.101", "7.7.102"] {
        server.put("versioned.wasm", &with_version(version));
        server.wait_for_text("/versioned", &format!("version {version}"));
    }
    assert_eq!(server.send("POST", "/api/plugins/versioned/rollback").status, 200);
    let setup = server.stop();
    check_runs(&["backup", &backup], &setup.data());
    // What came after the backup is undone by going back to it.
    let server = setup.start();
    server.get("/versioned").check_text("version 7.7.101");
    server.put("versioned.wasm", &with_version("7.7.103"));
    server.wait_for_text("/versioned", "version 7.7.103");
    server.put("versioned.wasm", &with_version("7.7.102"));
    server.wait_for_text("/versioned", "version 7.7.102");
    let setup = server.stop();
    check_runs(&["restore", &backup, "--force"], &setup.data());
    let server = setup.start();
    server.get("/versioned").check_text("version 7.7.101");
    let listed = server.get("/api/plugins/versioned/versions").json();
    let versions: Vec<_> = listed.as_array().expect("a list").iter().map(|version| &version["version"]).collect();
    assert_eq!(versions, ["7.7.102", "7.7.101"]);
}

#[test]
fn a_backup_writes_over_nothing() {
    let (_folder, backup) = place();
    fs::write(&backup, "precious").expect("written");
    let server = Server::start(&["script"]);
    check_refuses(&["backup", &backup], &server.data(), "exists");
    assert_eq!(fs::read(&backup).expect("read"), b"precious");
    check_refuses(&["backup", "/nowhere/backup.sqlite"], &server.data(), "/nowhere");
    let nothing = Setup::new();
    check_refuses(&["backup", "other.sqlite"], &nothing.data(), "no database");
}

#[test]
fn a_restore_replaces_nothing_that_it_was_not_told_to_and_nothing_in_use() {
    let (_folder, backup) = place();
    let server = Server::start(&["script"]);
    assert_eq!(server.script(&json!([{"set": ["a", "old"]}])).status, 200);
    check_runs(&["backup", &backup], &server.data());
    assert_eq!(server.script(&json!([{"set": ["a", "new"]}])).status, 200);
    check_refuses(&["restore", &backup], &server.data(), "server");
    check_refuses(&["restore", &backup, "--force"], &server.data(), "server");
    let setup = server.stop();
    check_refuses(&["restore", &backup], &setup.data(), "--force");
    let server = setup.start();
    assert_eq!(server.look(&json!([{"get": "a"}])), json!(["new"]));
    let setup = server.stop();
    check_runs(&["restore", &backup, "--force"], &setup.data());
    assert_eq!(setup.start().look(&json!([{"get": "a"}])), json!(["old"]));
}

#[test]
fn a_restore_that_cannot_save_what_only_the_log_has_replaces_nothing() {
    let (_folder, backup) = place();
    let server = Server::start(&["script"]);
    assert_eq!(server.script(&json!([{"set": ["a", "old"]}])).status, 200);
    check_runs(&["backup", &backup], &server.data());
    assert_eq!(server.script(&json!([{"set": ["a", "new"]}])).status, 200);
    let setup = server.kill();
    let disk = Preload::new();
    disk.fail_syncs(true);
    let mut command = backplane();
    command.args(["restore", &backup, "--force", "--data"]).arg(setup.data()).envs(disk.environment());
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(setup.start().look(&json!([{"get": "a"}])), json!(["new"]));
}

#[test]
fn a_restore_takes_only_what_is_a_whole_backup() {
    let (folder, backup) = place();
    let setup = Server::start(&["script"]).stop();
    check_runs(&["backup", &backup], &setup.data());
    let whole = fs::read(&backup).expect("read");
    let mut damaged = whole.clone();
    damaged[4096..8192].fill(0xff);
    let bad = folder.path().join("bad.sqlite").to_string_lossy().into_owned();
    for bytes in [&b"no database at all"[..], &whole[..whole.len() / 2], &damaged] {
        fs::write(&bad, bytes).expect("written");
        let (success, said) = run(&["restore", &bad, "--force"], &setup.data());
        assert!(!success && said.contains("bad.sqlite"), "{said}");
    }
    assert_eq!(setup.start().script(&json!([{"set": ["a", "1"]}])).status, 200);
}

#[test]
fn an_export_names_every_key_of_one_plugin_and_of_no_other() {
    let server = Server::start(&["script", "ledger"]);
    let steps = json!([{"set": ["b", "two \"words\""]}, {"set": ["a", "1"]}, {"set-for": ["c", "3", 3_600_000]}]);
    assert_eq!(server.script(&steps).status, 200);
    let account = server.request("POST", "/ledger/accounts").json(&json!({"id": "ada", "balance": 7}));
    assert_eq!(account.send().expect("an answer").status(), 201);
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let out = folder.path().join("export.jsonl").to_string_lossy().into_owned();
    check_runs(&["data", "export", "script", "--out", &out], &server.data());
    let text = fs::read_to_string(&out).expect("written");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let read: Vec<_> = lines.iter().map(|line| (&line["bucket"], &line["key"], &line["value"])).collect();
    let [bucket, keys, values] = [&json!("script"), &json!(["a", "b", "c"]), &json!(["1", "two \"words\"", "3"])];
    assert_eq!(read, [0, 1, 2].map(|place| (bucket, &keys[place], &values[place])));
    assert!(lines[2]["expires_at_ms"].is_i64() && lines[0]["expires_at_ms"].is_null(), "{text}");
    check_refuses(&["data", "export", "script", "--out", &out], &server.data(), "exists");
    check_refuses(&["data", "export", "nobody"], &server.data(), "nobody");
}

#[test]
fn a_plugins_data_is_deleted_while_it_serves_and_nobody_elses() {
    let server = Server::start(&["script", "ledger"]);
    let account = json!({"id": "ada", "balance": 7});
    let sent = server.request("POST", "/ledger/accounts").json(&account).send();
    assert_eq!(sent.expect("an answer").status(), 201);
    assert_eq!(server.script(&json!([{"fill": ["many/", 3000, 10]}, {"set": ["n", "41"]}])).status, 200);
    let storage = |plugin: &str| server.get(&format!("/api/plugins/{plugin}/storage")).json();
    assert_eq!(storage("script")["keys"], 3001);
    check_refuses(&["data", "delete", "script"], &server.data(), "--yes");
    assert_eq!(storage("script")["keys"], 3001);
    check_runs(&["data", "delete", "script", "--yes"], &server.data());
    assert_eq!(server.look(&json!([{"count": ""}, {"get": "n"}])), json!([0, null]));
    // The server knows at once what became of its counts and of what it remembers.
    assert_eq!(server.script(&json!([{"add": ["n", 1]}])).json(), json!([1]));
    assert_eq!((&storage("script")["keys"], &storage("script")["bytes"]), (&json!(1), &json!(8)));
    assert_eq!(server.get("/ledger/accounts/ada").json(), account);
    let listed = check_runs(&["data", "list", "--json"], &server.data());
    assert!(listed.contains("ledger") && listed.contains("script"), "{listed}");
    server.check_health();
    let setup = server.stop();
    Database::open(&setup.data()).check();
}

#[test]
fn storage_says_what_a_plugin_keeps_and_may_keep() {
    let config = "[state]\nkeys_max = 10\n[plugin.script]\nstate_bytes_max = \"1MiB\"\n";
    let server = Setup::new().plugins(&["script", "ledger"]).config(config).start();
    let storage = |plugin: &str| server.get(&format!("/api/plugins/{plugin}/storage"));
    let empty = json!({"keys": 0, "replies": 0, "bytes": 0, "quota": {"keys": 10, "bytes": 1 << 20}});
    assert_eq!(storage("script").json(), empty);
    // Bucket, key and value.
    assert_eq!(server.script(&json!([{"set": ["key", "value"]}])).status, 200);
    let bytes = "script".len() + "key".len() + "value".len();
    assert_eq!((&storage("script").json()["keys"], &storage("script").json()["bytes"]), (&json!(1), &json!(bytes)));
    assert_eq!(server.script(&json!([{"set": ["key", "longer value"]}])).status, 200);
    assert_eq!(storage("script").json()["bytes"], bytes + "longer ".len());
    assert_eq!(server.script_as(&json!([{"delete": "key"}]), &[("idempotency-key", "a")]).status, 200);
    let after = storage("script").json();
    assert_eq!((&after["keys"], &after["replies"]), (&json!(0), &json!(1)), "{after}");
    assert!(after["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{after}");
    assert_eq!(storage("ledger").json()["quota"]["bytes"], 256 << 20);
    storage("nobody").check_problem(404, "unknown_plugin");
    server.remove("script.wasm");
    server.wait_for_status("/script", 404);
    assert_eq!(storage("script").json()["replies"], 1, "what was kept stays");
}
