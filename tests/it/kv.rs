//! State as a plugin sees it. What it may rely on is a table in the fixture `kv`, which the SDK's double passes too.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Preload, Server, Setup};

#[test]
fn kv_keeps_every_promise_of_its_table() {
    let clock = Preload::new();
    let server = Setup::new().plugins(&["kv"]).preload(&clock).start();
    let cases = server.get("/kv/cases").json();
    let cases = cases.as_array().expect("the cases are a list");
    assert!(cases.len() > 20, "{} cases are no table", cases.len());
    let mut ahead = Duration::ZERO;
    let broken: Vec<_> = cases.iter().filter_map(|case| run(&server, case, &clock, &mut ahead)).collect();
    assert!(broken.is_empty(), "{} of {} cases:\n{}", broken.len(), cases.len(), broken.join("\n"));
    server.check_health();
}

#[test]
fn kv_bench_counts_what_it_is_asked() {
    let server = Setup::new().plugins(&["kv-bench"]).start();
    assert_eq!(server.send("POST", "/kv-bench/bump/a").json()["count"], 1);
    assert_eq!(server.send("POST", "/kv-bench/bump/a").json()["count"], 2);
    assert_eq!(server.get("/kv-bench/read/a").json()["count"], 2);
    assert_eq!(server.get("/kv-bench/read/b").status, 404);
    assert_eq!(server.get("/kv-bench/nothing/b").status, 200);
}

/// Sends the requests of a case, and returns what was not answered as the case says.
fn run(server: &Server, case: &Value, clock: &Preload, ahead: &mut Duration) -> Option<String> {
    for step in case["steps"].as_array().expect("a case has steps") {
        *ahead += Duration::from_millis(step["after_ms"].as_u64().expect("a time in milliseconds"));
        clock.set_clock_ahead(*ahead);
        let [method, path] = ["method", "path"].map(|name| step[name].as_str().expect("a text"));
        let answer = server.send(method, &format!("/kv{path}"));
        let code = if answer.status == 204 { Value::Null } else { answer.json()["code"].clone() };
        if (answer.status, &code) != (step["status"].as_u64()? as u16, &step["code"]) {
            return Some(format!("{} {path}: {} {}", case["name"], answer.status, answer.text()));
        }
    }
    None
}
