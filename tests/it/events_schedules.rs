//! What runs by the clock: once for a slot, whatever the handler does.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Server, Setup, component, replaced, wait_for, wait_until};

fn runs(server: &Server, handler: &str) -> (u64, u64) {
    let runs = server.get(&format!("/events-schedules/runs/{handler}")).json();
    let number = |field: &str| runs[field].as_u64().expect("a number");
    (number("count"), number("last_slot_ms"))
}

#[test]
fn events_schedules_run_once_for_a_slot_and_a_run_that_fails_leaves_nothing() {
    let server = Server::start(&["events-schedules"]);
    wait_until("three runs", || runs(&server, "tick").0 >= 3);
    let (first, second) = (runs(&server, "tick"), {
        wait_until("two more runs", || runs(&server, "tick").0 >= 5);
        runs(&server, "tick")
    });
    // A slot a second, and none of them twice.
    assert!(second.1 - first.1 >= (second.0 - first.0) * 1000, "{first:?} {second:?}");
    for handler in ["fail", "trap"] {
        assert_eq!(runs(&server, handler), (0, 0), "{handler}");
    }
    server.check_health();
}

#[test]
fn a_schedule_is_not_run_beside_itself() {
    let server = Server::start(&["events-schedules"]);
    let run = || server.send("POST", "/api/schedules/events-schedules/linger/run");
    let is_running = || {
        let list = server.get("/api/schedules").json();
        let schedules = list["schedules"].as_array().expect("a list");
        schedules.iter().any(|schedule| schedule["handler"] == "linger" && schedule["running"] == true)
    };
    let mut begun = 0;
    // On a machine that is very busy a run may end before the second request comes.
    let refused = wait_for("a request beside a run", || {
        let answer = run();
        begun += u64::from(answer.status == 202);
        (answer.status != 202).then_some(answer)
    });
    refused.check_problem(409, "schedule_running");
    assert!(begun > 0, "refused before anything ran");
    wait_until("the end of the run", || !is_running());
    assert_eq!(run().status, 202);
    wait_until("the last run", || runs(&server, "linger").0 > begun);
    wait_until("its end", || !is_running());
    // What was refused did not run.
    assert_eq!(runs(&server, "linger").0, begun + 1);
    let entries = server.get("/api/audit?action=schedule.run").json();
    let results = entries["entries"].as_array().expect("a list").iter().map(|entry| &entry["result"]);
    let expected: Vec<_> = (0..=begun).map(|_| json!("ok")).chain([json!("schedule_running")]).collect();
    let mut results: Vec<Value> = results.cloned().collect();
    results.sort_by_key(Value::to_string);
    assert_eq!(results, expected, "{entries}");
    server.check_health();
}

#[test]
fn what_is_known_of_a_schedule_outlasts_a_start_at_which_an_earlier_version_takes_over() {
    let linger = |server: &Server| {
        let list = server.get("/api/schedules").json();
        let schedules = list["schedules"].as_array().expect("a list").iter();
        schedules
            .clone()
            .find(|schedule| schedule["handler"] == "linger")
            .map(|schedule| schedule["last_run_at"].clone())
    };
    let server = Setup::new().plugins(&["events-schedules"]).start();
    assert_eq!(server.send("POST", "/api/schedules/events-schedules/linger/run").status, 202);
    let ran = wait_for("a run", || linger(&server).filter(Value::is_string));
    let setup = server.stop();
    // It imports what nobody offers.
    let broken = replaced(component("events-schedules"), "backplane:plugin/kv@1.0.0", "backplane:plugin/kx@1.0.0");
    fs::write(setup.folder().join("events-schedules.wasm"), broken).expect("the folder takes files");
    let server = setup.start();
    assert_eq!(wait_for("the version before", || linger(&server)), ran);
}
