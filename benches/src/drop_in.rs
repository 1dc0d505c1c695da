//! From a file in the folder to the first answer.

use std::fs;

use crate::{
    Options,
    report::{Bound, Report, median},
    server::Server,
};

/// Drops `hello` into an empty folder, without and with its compiled code in the cache.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start(&options.server, &[])?;
    let hello = fs::read(options.plugins.join("hello.wasm"))?;
    let rounds = if options.quick { 3 } else { 9 };
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for entry in fs::read_dir(server.data().join("cache"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "cwasm") {
                fs::remove_file(path)?;
            }
        }
        cold.push(drop_once(&server, &hello)?);
        cached.push(drop_once(&server, &hello)?);
    }
    report.add_bound("drop", "to the first 200, cold", (median(cold), "ms"), Bound::AtMost(1000.0));
    report.add_bound("drop", "to the first 200, cached", (median(cached), "ms"), Bound::AtMost(150.0));
    Ok(())
}

fn drop_once(server: &Server, component: &[u8]) -> anyhow::Result<f64> {
    server.place("hello.wasm", component)?;
    let time = server.program.wait_for("/hello/Ada", "{\"hello\":\"Ada\"}")?;
    fs::remove_file(server.plugins().join("hello.wasm"))?;
    server.program.wait_for("/hello/Ada", "HTTP/1.1 404")?;
    Ok(time.as_secs_f64() * 1000.0)
}
