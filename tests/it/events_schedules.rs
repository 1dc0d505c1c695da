//! What runs by the clock: once for a slot, whatever the handler does.

use crate::harness::{Server, wait_until};

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
