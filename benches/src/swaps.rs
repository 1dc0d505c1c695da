//! Replacing a plugin: no failed request under load, and memory that stays flat.

use std::{fs, time::Duration};

use anyhow::Context as _;

use crate::{
    Options,
    load::Load,
    report::{Bound, Report},
    server::Server,
};

/// Swaps under load.
const STORM_SWAPS: usize = 100;
/// Requests that the storm must see at the least.
const STORM_REQUESTS: f64 = 50_000.0;

/// Runs both.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let hello = fs::read(options.plugins.join("hello.wasm"))?;
    let versions = ["0.1.1", "0.1.2"].map(|version| with_version(&hello, version));
    let versions = versions.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let server = Server::start(&options.server, &[&options.plugins.join("hello.wasm")])?;
    storm(&server, &versions, report)?;
    memory(options, &server, &versions, report)
}

fn storm(server: &Server, versions: &[Vec<u8>], report: &mut Report) -> anyhow::Result<()> {
    let load = Load {
        url: server.program.url("/hello/Ada"),
        connections: 32,
        rate: None,
        duration: Duration::from_secs(15),
        token: None,
    };
    let running = load.start()?;
    for swap in 0..STORM_SWAPS {
        swap_once(server, versions, swap)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = running.finish()?;
    let requests = (outcome.requests as f64, "");
    report.add_bound("swaps", format!("requests during {STORM_SWAPS} swaps"), requests, Bound::AtLeast(STORM_REQUESTS));
    report.add_bound("swaps", "failed requests", (outcome.failed as f64, ""), Bound::AtMost(0.0));
    report.add("swaps", "p99 during the swaps", outcome.percentile_ms(99.0), "ms");
    Ok(())
}

fn memory(options: &Options, server: &Server, versions: &[Vec<u8>], report: &mut Report) -> anyhow::Result<()> {
    let (few, many) = if options.quick { (20, 200) } else { (50, 1000) };
    let mut after_few = 0.0;
    for swap in 0..many {
        swap_once(server, versions, swap)?;
        server.program.get("/hello/Ada")?;
        if swap + 1 == few {
            after_few = server.program.resident_mib()?;
        }
    }
    let after_many = server.program.resident_mib()?;
    report.add("swaps", format!("resident memory after {few} swaps"), after_few, "MiB");
    report.add("swaps", format!("resident memory after {many} swaps"), after_many, "MiB");
    report.add_bound("swaps", "growth", (after_many / after_few, "x"), Bound::AtMost(1.10));
    Ok(())
}

/// Places the other version and waits until it is the live one.
fn swap_once(server: &Server, versions: &[Vec<u8>], swap: usize) -> anyhow::Result<()> {
    let version = versions.get(swap % versions.len()).context("there are versions")?;
    server.place("hello.wasm", version)?;
    let expected = format!("\"version\":\"0.1.{}\"", 1 + swap % versions.len());
    server.wait_for_api("/api/plugins/hello", &expected)
}

/// Returns the component with another version in its manifest, which has the same length.
fn with_version(component: &[u8], version: &str) -> anyhow::Result<Vec<u8>> {
    replace(component, b"\"version\":\"0.1.0\"", format!("\"version\":\"{version}\"").as_bytes())
}

/// Replaces a text by one of the same length, wherever it is.
pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(from.len() == to.len(), "the texts differ in length");
    let mut replaced = bytes.to_vec();
    let places: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).collect();
    anyhow::ensure!(!places.is_empty(), "the text is not there");
    for (at, _) in places {
        replaced.splice(at..at + from.len(), to.iter().copied());
    }
    Ok(replaced)
}
