//! How long a start takes, and what 200 plugins cost.

use std::fs;

use crate::{
    Options,
    program::now,
    report::{Bound, Report, median},
    server::{CONFIG, Server},
    swaps::replace,
};

const PLUGINS: usize = 200;

/// Starts with one plugin and with many, with and without compiled code in the cache.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    one(options, report)?;
    many(options, report)
}

fn one(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let hello = options.plugins.join("hello.wasm");
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..if options.quick { 2 } else { 5 } {
        let started = now();
        let server = Server::start(&options.server, &[&hello])?;
        cold.push(started.elapsed().as_secs_f64() * 1000.0);
        let root = server.stop();
        let started = now();
        let _server = Server::start_in(&options.server, root)?;
        warm.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    report.add("start", "to ready with hello, cold cache", median(cold), "ms");
    report.add("start", "to ready with hello, warm cache", median(warm), "ms");
    Ok(())
}

fn many(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let plugins = if options.quick { 20 } else { PLUGINS };
    let hello = fs::read(options.plugins.join("hello.wasm"))?;
    let root = tempfile::tempdir()?;
    fs::write(root.path().join(CONFIG), "")?;
    fs::create_dir(root.path().join("plugins"))?;
    for number in 0..plugins {
        let name = format!("h{number:04}");
        let plugin = replace(&hello, b"\"name\":\"hello\"", format!("\"name\":\"{name}\"").as_bytes())?;
        fs::write(root.path().join("plugins").join(format!("{name}.wasm")), plugin)?;
    }
    let started = now();
    let server = Server::start_in(&options.server, root)?;
    report.add("start", format!("to ready with {plugins} plugins, cold cache"), started.elapsed().as_secs_f64(), "s");
    let root = server.stop();
    let started = now();
    let server = Server::start_in(&options.server, root)?;
    let warm = (started.elapsed().as_secs_f64(), "s");
    report.add_bound("start", format!("to ready with {plugins} plugins, warm cache"), warm, Bound::AtMost(2.0));
    report.add("start", format!("resident memory with {plugins} plugins"), server.program.resident_mib()?, "MiB");
    Ok(())
}
