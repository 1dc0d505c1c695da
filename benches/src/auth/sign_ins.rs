//! Sign-ins as fast as the server takes them, and what everybody else notices of that.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{HELLO, add_user};
use crate::{
    Options,
    connection::Connection,
    load::{Load, Outcome},
    program::{Program, now},
    report::{Bound, Report, median},
    server::{PASSWORD, Server},
};

/// How many sign in at the same time, each to an account of its own.
const CLIENTS: usize = 16;

/// What came of all sign-ins.
#[derive(Default)]
struct Tally {
    signed_in: AtomicUsize,
    sent_away: AtomicUsize,
    failed: AtomicUsize,
}

/// Asks `hello` at a steady rate, alone and while many sign in, in turns.
pub(super) fn run(options: &Options, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    for number in 0..CLIENTS {
        add_user(server, &format!("user{number}"))?;
    }
    let (mut alone, mut beside, mut per_second) = (Vec::new(), Vec::new(), Vec::new());
    let (mut failed, mut sent_away) = (0, 0);
    for _ in 0..if options.quick { 2 } else { 7 } {
        alone.push(steady(server)?.percentile_ms(99.0));
        let (over, tally) = (AtomicBool::new(false), Tally::default());
        thread::scope(|scope| -> anyhow::Result<()> {
            for number in 0..CLIENTS {
                let (over, tally, program) = (&over, &tally, &server.program);
                scope.spawn(move || sign_in_until(over, tally, program, number));
            }
            thread::sleep(Duration::from_millis(500));
            let (started, before) = (now(), tally.signed_in.load(Ordering::Relaxed));
            let outcome = steady(server);
            let signed_in = tally.signed_in.load(Ordering::Relaxed) - before;
            per_second.push(signed_in as f64 / started.elapsed().as_secs_f64());
            over.store(true, Ordering::Relaxed);
            beside.push(outcome?.percentile_ms(99.0));
            Ok(())
        })?;
        failed += tally.failed.load(Ordering::Relaxed);
        sent_away += tally.sent_away.load(Ordering::Relaxed);
    }
    let (alone, beside) = (median(alone), median(beside));
    report.add("auth", format!("sign-ins of {CLIENTS} clients"), median(per_second), "1/s");
    report.add("auth", "sign-ins that were told to come back", sent_away as f64, "");
    report.add_bound("auth", "sign-ins that failed", (failed as f64, ""), Bound::AtMost(0.0));
    report.add("auth", "p99 of hello while many sign in", beside, "ms");
    report.add_bound("auth", format!("  of {alone:.2} ms alone"), (beside / alone, "x"), Bound::AtMost(2.0));
    Ok(())
}

/// Asks 2,000 times a second.
fn steady(server: &Server) -> anyhow::Result<Outcome> {
    let duration = Duration::from_secs(4);
    let load = Load { url: server.program.url(HELLO), connections: 8, rate: Some(250), duration, token: None };
    let outcome = load.run()?;
    anyhow::ensure!(outcome.failed == 0, "{} of {} requests failed", outcome.failed, outcome.requests);
    Ok(outcome)
}

fn sign_in_until(over: &AtomicBool, tally: &Tally, program: &Program, number: usize) {
    let body = format!(r#"{{"name":"user{number}","password":"{PASSWORD}"}}"#);
    let Ok(mut connection) = Connection::open(program) else { return count(&tally.failed) };
    while !over.load(Ordering::Relaxed) {
        let status = match connection.send("POST", "/api/auth/login", None, &body) {
            Ok(answer) => answer.status,
            Err(_) => return count(&tally.failed),
        };
        count(match status {
            200 => &tally.signed_in,
            503 => &tally.sent_away,
            _ => &tally.failed,
        });
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
