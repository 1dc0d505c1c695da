//! A plugin's latency while another one misbehaves.

use std::{path::Path, time::Duration};

use crate::{
    Options,
    load::Load,
    report::{Bound, Report, median},
    server::Server,
};

/// A guest, and the path that makes it misbehave.
const HOSTILE: &[(&str, &str)] = &[
    ("endless-loop", "/endless-loop"),
    ("endless-host-calls", "/endless-host-calls/log"),
    ("memory-bomb", "/memory-bomb/bit-by-bit"),
    ("deep-recursion", "/deep-recursion/frames"),
    ("panic", "/panic"),
    ("exit", "/exit/with/3"),
    ("handle-flood", "/handle-flood"),
    ("log-flood", "/log-flood/lines/100000"),
    ("big-response", "/big-response/67108864"),
    ("huge-headers", "/huge-headers/lines/5000"),
];

/// Connections that call the hostile guest, as fast as it answers.
const ATTACKERS: usize = 4;

/// Compares the p99 of `hello` at a steady rate, alone and beside each hostile guest, in turns.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let hello = options.plugins.join("hello.wasm");
    for (guest, path) in HOSTILE {
        let file = options.guests.join(format!("{guest}.wasm"));
        let server = Server::start(&options.server, &[&hello, Path::new(&file)])?;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..if options.quick { 2 } else { 5 } {
            alone.push(p99_ms(&server)?);
            let attack = Load {
                url: server.program.url(path),
                connections: ATTACKERS,
                rate: None,
                duration: Duration::from_secs(4),
                token: None,
            };
            let attack = attack.start()?;
            std::thread::sleep(Duration::from_millis(500));
            beside.push(p99_ms(&server)?);
            attack.finish()?;
        }
        let (alone, beside) = (median(alone), median(beside));
        report.add("neighbours", format!("p99 of hello beside {guest}"), beside, "ms");
        let ratio = (beside / alone, "x");
        report.add_bound("neighbours", format!("  of {alone:.2} ms alone"), ratio, Bound::AtMost(2.0));
    }
    Ok(())
}

fn p99_ms(server: &Server) -> anyhow::Result<f64> {
    let load = Load {
        url: server.program.url("/hello/Ada"),
        connections: 8,
        rate: Some(250),
        duration: Duration::from_secs(3),
        token: None,
    };
    let outcome = load.run()?;
    anyhow::ensure!(outcome.failed == 0, "{} of {} requests failed", outcome.failed, outcome.requests);
    Ok(outcome.percentile_ms(99.0))
}
