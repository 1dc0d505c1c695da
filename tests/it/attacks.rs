//! Guests that take more than they may have. Each caller gets the documented problem; nobody else notices.

use crate::harness::{Server, Setup, beside_a_neighbour, check_attack};

#[test]
fn endless_loop_is_stopped_at_its_cpu_budget() {
    check_attack("endless-loop", &[("", 504, "plugin_timeout")]);
}

#[test]
fn endless_loop_leaves_its_own_plugin_able_to_answer() {
    let server = Server::start(&["endless-loop"]);
    server.get("/endless-loop").check_problem(504, "plugin_timeout");
    server.get("/endless-loop/answer").check_text("still here");
}

#[test]
fn endless_host_calls_are_stopped_at_the_cpu_budget() {
    let timeout = |path| (path, 504, "plugin_timeout");
    check_attack("endless-host-calls", &[timeout("/config"), timeout("/log"), timeout("/context")]);
}

#[test]
fn memory_bomb_is_refused_memory() {
    let refused = |path| (path, 500, "plugin_out_of_memory");
    // A guest that notices is not at fault: its own problem is the answer.
    check_attack("memory-bomb", &[refused("/bit-by-bit"), refused("/at-once"), ("/politely", 507, "no_memory")]);
}

#[test]
fn table_bomb_is_refused_elements() {
    let component = wat::parse_str(include_str!("../guests/table_bomb.wat")).expect("the fixture is a component");
    let setup = Setup::new().plugins(&["hello"]);
    let server = setup.start();
    server.put("table-bomb.wasm", &component);
    server.wait_for_status("/table-bomb/answer", 204);
    beside_a_neighbour(&server, || {
        server.get("/table-bomb").check_problem(500, "plugin_out_of_memory");
    });
    server.check_health();
}

#[test]
fn deep_recursion_ends_at_either_stack() {
    check_attack("deep-recursion", &[("/frames", 500, "plugin_failed"), ("/calls", 500, "plugin_failed")]);
}

#[test]
fn panic_ends_the_call_and_tells_only_the_log_why() {
    let server = Server::start(&["panic", "hello"]);
    let answer = server.get("/panic");
    answer.check_problem(500, "plugin_failed");
    assert!(!answer.text().contains("on purpose"), "{}", answer.text());
    server.get("/panic/answer").check_text("still here");
    let id = answer.header("x-request-id").expect("an id").to_owned();
    let said = server.wait_for_log("the guest panicked on purpose");
    assert!(said.contains(&id), "{said}");
    let view = server.wait_until_idle("panic");
    assert_eq!(view["traps"], 1, "{view}");
}

#[test]
fn panic_beside_a_neighbour_changes_nothing_for_it() {
    check_attack("panic", &[("", 500, "plugin_failed")]);
}

#[test]
fn exit_ends_the_call_and_not_the_host() {
    let failed = |path| (path, 500, "plugin_failed");
    check_attack("exit", &[failed("/with/0"), failed("/with/3"), failed("/abort")]);
}

#[test]
fn handle_flood_is_stopped_at_the_table_of_handles() {
    check_attack("handle-flood", &[("", 500, "plugin_failed")]);
}

#[test]
fn many_attackers_at_once_leave_the_neighbour_alone() {
    let attackers = ["endless-loop", "deep-recursion", "memory-bomb", "panic"];
    let paths = ["/endless-loop", "/deep-recursion/frames", "/memory-bomb/bit-by-bit", "/panic"];
    let server = Setup::new().plugins(&attackers).plugins(&["hello"]).start();
    beside_a_neighbour(&server, || {
        std::thread::scope(|scope| {
            for path in paths.iter().cycle().take(12) {
                scope.spawn(|| assert!(server.get(path).status >= 500));
            }
        });
    });
    server.check_health();
}
