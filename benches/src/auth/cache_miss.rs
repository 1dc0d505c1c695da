//! What a token costs that the server sees for the first time, beside the same token the second time.

use anyhow::ensure;

use super::{HELLO, add_user, refresh, sign_in};
use crate::{
    Options,
    connection::Connection,
    program::now,
    report::{Report, median},
    server::Server,
};

/// Calls once with each of many tokens, then once more.
pub(super) fn run(options: &Options, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let count = if options.quick { 200 } else { 2000 };
    add_user(server, "many-tokens")?;
    let mut connection = Connection::open(&server.program)?;
    let [first, mut last] = sign_in(&mut connection, "many-tokens")?;
    let mut tokens = vec![first];
    let started = now();
    while tokens.len() < count {
        let [access, next] = refresh(&mut connection, &last)?;
        tokens.push(access);
        last = next;
    }
    let refreshed = (tokens.len() - 1) as f64 / started.elapsed().as_secs_f64();
    report.add("auth", "refreshes, one after the other", refreshed, "1/s");
    let [miss, hit] = [(); 2].map(|()| call_with_each(server, &mut connection, &tokens));
    let (miss, hit) = (miss?, hit?);
    report.add("auth", "hello with a token seen before: p50", hit.p50_us, "us");
    report.add("auth", "hello with a new token: p50", miss.p50_us, "us");
    report.add("auth", "server CPU that a new token adds", miss.cpu_us - hit.cpu_us, "us");
    Ok(())
}

struct Sample {
    p50_us: f64,
    cpu_us: f64,
}

fn call_with_each(server: &Server, connection: &mut Connection, tokens: &[String]) -> anyhow::Result<Sample> {
    let before = server.program.cpu_seconds()?;
    let mut latencies = Vec::with_capacity(tokens.len());
    for token in tokens {
        let started = now();
        let response = connection.send("GET", HELLO, Some(token), "")?;
        latencies.push(started.elapsed().as_secs_f64() * 1e6);
        ensure!(response.status == 200, "a token was answered {}", response.status);
    }
    let cpu_us = (server.program.cpu_seconds()? - before) * 1e6 / tokens.len() as f64;
    Ok(Sample { p50_us: median(latencies), cpu_us })
}
