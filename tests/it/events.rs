//! Events as a plugin sees them. What it may rely on is a table in the fixture `events`, which the SDK's double passes too.

use std::fs;

use serde_json::Value;

use crate::harness::{Server, Setup, backplane, component, poll};

#[test]
fn events_keep_every_promise_of_their_table() {
    let server = Setup::new().plugins(&["events"]).start();
    let cases = server.get("/events/cases").json();
    let cases = cases.as_array().expect("the cases are a list");
    assert!(cases.len() > 20, "{} cases are no table", cases.len());
    let broken: Vec<_> = cases.iter().filter_map(|case| fault(&server, case)).collect();
    assert!(broken.is_empty(), "{} of {} cases:\n{}", broken.len(), cases.len(), broken.join("\n"));
    server.check_health();
}

#[test]
fn events_are_imported_and_exported_by_plugins_that_use_them() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let check = |plugin: &str, expected: [bool; 2]| {
        fs::write(folder.path().join("plugin.wasm"), component(plugin)).expect("written");
        let arguments = ["check", "--json", "plugin.wasm"];
        let output = backplane().args(arguments).current_dir(folder.path()).output().expect("the program starts");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
        let names = |list: &str, name: &str| {
            let names = report[list].as_array().expect("a list of interfaces").iter();
            names.filter_map(Value::as_str).any(|interface| interface.starts_with(&format!("backplane:plugin/{name}@")))
        };
        assert_eq!([names("imports", "events"), names("exports", "event-handler")], expected, "{plugin}: {report}");
        assert!(!names("exports", "schedule-handler"), "{plugin}: {report}");
    };
    for (plugin, uses) in [
        ("hello", [false, false]),
        ("ledger", [false, false]),
        ("payments", [true, false]),
        ("audit-log", [false, true]),
        ("orders", [true, true]),
    ] {
        check(plugin, uses);
    }
}

/// Sends the requests of a case, and returns what was not answered as the case says.
fn fault(server: &Server, case: &Value) -> Option<String> {
    case["steps"].as_array().expect("a case has steps").iter().find_map(|step| {
        if step["eventually"] != true {
            return send(server, case, step);
        }
        let mut last = None;
        let is_right = poll(|| {
            last = send(server, case, step);
            last.is_none().then_some(())
        });
        last.filter(|_| is_right.is_none())
    })
}

/// Sends one request, and returns what is wrong with its answer.
fn send(server: &Server, case: &Value, step: &Value) -> Option<String> {
    let [method, path] = ["method", "path"].map(|name| step[name].as_str().expect("a text"));
    let answer = server.send(method, &format!("/events{path}"));
    let code = if answer.status == 204 { Value::Null } else { answer.json()["code"].clone() };
    let is_right = Some(u64::from(answer.status)) == step["status"].as_u64() && code == step["code"];
    (!is_right).then(|| format!("{} {path}: {} {}", case["name"], answer.status, answer.text()))
}
