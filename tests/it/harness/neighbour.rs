//! What an attack must not change: everybody else.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{Server, Setup, StopOnDrop};

/// How often each attack runs at the same time.
const ATTACKERS: usize = 3;

/// Lets a guest attack on each of its `paths`, several times at once, and checks that every caller of it gets the
/// documented problem, and that a neighbour answers all along and the host is well afterwards.
#[track_caller]
pub(crate) fn check_attack(guest: &str, attacks: &[(&str, u16, &str)]) {
    let server = Setup::new().plugins(&["hello", guest]).start();
    for (path, status, code) in attacks {
        beside_a_neighbour(&server, || {
            thread::scope(|scope| {
                for _ in 0..ATTACKERS {
                    scope.spawn(|| server.get(&format!("/{guest}{path}")).check_problem(*status, code));
                }
            });
        });
        server.wait_until_idle(guest);
    }
    server.check_health();
}

/// Calls the neighbour again and again while `attack` runs, and checks every answer.
#[track_caller]
pub(crate) fn beside_a_neighbour(server: &Server, attack: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                check_neighbour(server);
            }
        });
        let _stop = StopOnDrop(&over);
        attack();
        drop(_stop);
        neighbour.join().expect("the neighbour answers while the attack runs");
    });
    check_neighbour(server);
}

/// Checks that `hello` answers.
#[track_caller]
pub(crate) fn check_neighbour(server: &Server) {
    server.get("/hello/Ada").check_text(r#"{"hello":"Ada"}"#);
}
