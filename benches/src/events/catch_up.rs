//! How fast a subscriber takes what waits in the log, with a handler that writes one key; and what a queue in PostgreSQL
//! does of the same kind.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{
    backplane::{Mode, PLUGIN, batch_request, start},
    latency::WORK,
    load::payload,
    subject::Subject,
};
use crate::{
    Options,
    connection::Connection,
    disk::Disk,
    program::{PATIENCE, now},
    report::{Bound, Report},
    server::Server,
};

/// Events of a request that fills the log.
const BATCH: usize = 1000;
/// Keys of the events.
const KEYS: usize = 1000;
/// Between two looks at how many still wait, for which the server has to count them.
const POLL: Duration = Duration::from_millis(100);
/// What is promised.
const PER_SECOND: f64 = 20_000.0;

/// Lets events wait, and measures how long it takes until none does.
pub(super) fn run(options: &Options, disk: &Disk, subjects: &[Subject], report: &mut Report) -> anyhow::Result<()> {
    let events = if options.quick { 100_000 } else { 1_000_000 };
    for mode in Mode::ALL {
        let server = start(options, disk, mode)?;
        let rate = measure(&server, events)?;
        let name = format!("catching up with {events}, {}", mode.name());
        report.add_bound("events", name, (rate, "1/s"), Bound::AtLeast(PER_SECOND));
    }
    if let Some(postgres) = subjects.iter().find_map(Subject::postgres) {
        let rate = postgres.catch_up(events)?;
        report.add("events", format!("the same with {events} rows, PostgreSQL, SKIP LOCKED"), rate, "1/s");
    }
    Ok(())
}

fn measure(server: &Server, events: usize) -> anyhow::Result<f64> {
    let mut connection = Connection::open(&server.program)?;
    let token = server.token()?;
    let id = subscription(server, &mut connection)?.id;
    let pause = |connection: &mut Connection, verb| {
        connection.send_json(("POST", &format!("/api/subscriptions/{id}/{verb}")), Some(token), &json!({}), 200)
    };
    pause(&mut connection, "pause")?;
    for first in (0..events).step_by(BATCH) {
        let keys: Vec<_> = (first..first + BATCH).map(|number| format!("key-{}", number % KEYS)).collect();
        let batch: Vec<_> = keys.iter().map(|key| (WORK, Some(key.as_str()), payload(r#""probe":false,"#))).collect();
        let status = connection.send_whole(&batch_request(token, &batch)?)?.status;
        ensure!(status == 202, "a batch was answered {status}");
    }
    pause(&mut connection, "resume")?;
    let started = now();
    loop {
        let Subscription { lag, .. } = subscription(server, &mut connection)?;
        if lag == 0 {
            return Ok(events as f64 / started.elapsed().as_secs_f64());
        }
        ensure!(started.elapsed() < 10 * PATIENCE, "{lag} events still wait");
        std::thread::sleep(POLL);
    }
}

/// The plugin's subscription, as the API shows it.
struct Subscription {
    id: u64,
    /// Events that wait.
    lag: u64,
}

fn subscription(server: &Server, connection: &mut Connection) -> anyhow::Result<Subscription> {
    let list = connection.send_json(("GET", "/api/subscriptions"), Some(server.token()?), &Value::Null, 200)?;
    let entries =
        list.as_array().or_else(|| list.get("subscriptions")?.as_array()).context("subscriptions are a list")?;
    let is_ours = |entry: &&Value| entry.get("plugin").and_then(Value::as_str) == Some(PLUGIN);
    let entry = entries.iter().find(is_ours).with_context(|| format!("{PLUGIN} has no subscription in {list}"))?;
    let number =
        |field: &str| entry.get(field).and_then(Value::as_u64).with_context(|| format!("no {field} in {entry}"));
    Ok(Subscription { id: number("id")?, lag: number("lag")? })
}
