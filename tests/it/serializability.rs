//! Whatever clients do at the same time looks as if they had done it one after the other.
//!
//! Clients send random calls to the same few keys and write down what they sent, when, and what came back. The checker
//! then looks for an order of all calls in which each would have seen what it saw. It is shown to find what it should:
//! by histories made by hand (`anomalies`), and by what stores with faults do with the same plans (`model`).

mod anomalies;
mod check;
mod clients;
mod graph;
mod history;
mod ledger;
mod model;
mod plan;
mod ranges;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::harness::{Random, Server, Setup, Stopwatch, repeats};

use self::{
    check::check,
    clients::run,
    history::{Call, Step},
    ledger::check_transfers,
    plan::{Script, plan, plan_over_quota},
};

/// For how long histories are made. More by the variable `BACKPLANE_TEST_HISTORY_SECONDS`.
const SECONDS: usize = 15;

/// Histories that are made however long they take: fewer are no proof.
const HISTORIES_MIN: usize = 50;

/// Histories that are made at the same time, each on keys of its own.
const AT_ONCE: usize = 6;

/// Says when enough histories are made.
struct Quota {
    watch: Stopwatch,
    time: Duration,
    made: AtomicUsize,
    first_seed: u64,
}

impl Quota {
    /// Allows a part of the time for histories.
    fn part(part: u32) -> Self {
        let seconds = repeats("BACKPLANE_TEST_HISTORY_SECONDS", SECONDS);
        let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)) / part;
        let (_, first_seed) = Random::unseeded();
        Self { watch: Stopwatch::start(), time, made: AtomicUsize::new(0), first_seed }
    }

    /// Returns number and seed of the next history, until there are enough.
    fn next(&self) -> Option<(usize, u64)> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let is_enough = number >= HISTORIES_MIN && self.watch.elapsed() >= self.time;
        let seed = self.first_seed.wrapping_add(u64::try_from(number).unwrap_or_default());
        (!is_enough).then_some((number, seed))
    }
}

/// Runs a plan and checks what its clients saw.
#[track_caller]
fn check_plan(server: &Server, place: &str, plan: &[Vec<Script>]) -> Vec<Call> {
    let history = run(server, place, plan);
    if let Err(anomaly) = check(&history) {
        let calls: Vec<_> = history.iter().enumerate().map(|(number, call)| format!("{number}: {call:?}")).collect();
        panic!("{anomaly:?}\n{}", calls.join("\n"));
    }
    history
}

/// Returns whether a call read, while another ran, what that one wrote.
fn is_contended(history: &[Call]) -> bool {
    let reads = |call: &Call| -> BTreeSet<_> {
        call.steps.iter().filter_map(|step| if let Step::Read(key, _) = step { Some(*key) } else { None }).collect()
    };
    let writes = |call: &Call| -> BTreeSet<_> {
        call.steps.iter().filter_map(|step| if let Step::Write(key, _) = step { Some(*key) } else { None }).collect()
    };
    history.iter().any(|one| {
        let beside = |other: &&Call| one.invoked < other.answered && other.invoked < one.answered;
        let (read, is_committed) = (reads(one), |other: &&Call| other.committed);
        history
            .iter()
            .filter(beside)
            .filter(is_committed)
            .any(|other| !std::ptr::eq(one, other) && !read.is_disjoint(&writes(other)))
    })
}

#[test]
fn script_calls_that_run_at_once_have_an_order_that_explains_them() {
    let server = Server::start(&["script"]);
    let (quota, histories, contended) = (Quota::part(1), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, seed)) = quota.next() {
                    let history = check_plan(&server, &number.to_string(), &plan(seed));
                    histories.fetch_add(1, Ordering::Relaxed);
                    contended.fetch_add(is_contended(&history).into(), Ordering::Relaxed);
                }
            });
        }
    });
    let [histories, contended] = [histories, contended].map(AtomicUsize::into_inner);
    eprintln!("{histories} histories, {contended} of them with calls that met");
    assert!(2 * contended > histories, "{contended} of {histories} histories are no proof");
    server.check_health();
}

#[test]
fn transfers_that_run_at_once_have_an_order_that_explains_every_balance() {
    // Neither a busy machine nor a total of very many accounts is an anomaly.
    let server =
        Setup::new().plugins(&["ledger"]).config("[plugin.ledger]\ntimeout = \"20s\"\ncpu = \"10s\"\n").start();
    let quota = Quota::part(2);
    thread::scope(|scope| {
        let makers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while let Some((number, seed)) = quota.next() {
                        check_transfers(&server, number, seed);
                    }
                })
            })
            .collect();
        // Whoever adds up everything, at any moment, finds that nothing came and nothing went.
        while !makers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let total = server.get("/ledger/total");
            assert_eq!(total.status, 200, "{}", total.text());
            let accounts = total.json()["accounts"].as_i64().expect("a number of accounts");
            // Compared as text: of very many accounts it is more than 64 bits hold.
            let sum = i128::from(accounts) * i128::from(ledger::BALANCE);
            assert_eq!(total.text(), format!(r#"{{"accounts":{accounts},"total":{sum}}}"#));
        }
    });
    server.check_health();
}

#[test]
fn nobody_sees_what_a_commit_over_its_quota_wrote() {
    // One key fits, and it is there after every plan and gone before the next.
    let setup = Setup::new().plugins(&["script"]).config("[plugin.script]\nstate_keys_max = 1\n");
    let server = setup.start();
    let quota = Quota::part(3);
    while let Some((_, seed)) = quota.next() {
        check_plan(&server, "q", &plan_over_quota(seed));
        assert_eq!(server.script(&json!([{"delete": "q/0/0"}])).status, 200);
    }
    server.check_health();
}
