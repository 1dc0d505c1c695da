//! Requests per second, latency and CPU per request: a plugin beside the same handler compiled in.

use std::time::Duration;

use crate::{
    Options,
    load::{Load, Outcome},
    report::{Bound, Report, median},
    server::Server,
};

const CONNECTIONS: usize = 32;

/// Route, its name in the report, and the share of native that is promised.
const ROUTES: [(&str, &str, Option<f64>); 3] = [
    ("/bench-native/Ada", "native axum", None),
    ("/hello/Ada", "hello (fresh)", Some(0.50)),
    ("/hello-reused/Ada", "hello-reused", Some(0.80)),
];

/// What one look at one route gave.
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// What the server's process used of a processor, for each request.
    pub(crate) cpu_us: f64,
}

/// Measures all routes in turns, so that a slow minute of the machine meets all of them.
pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (hello, reused) = (options.plugins.join("hello.wasm"), options.plugins.join("hello-reused.wasm"));
    let server = Server::start(&options.server, &[&hello, &reused])?;
    let (rounds, duration) = if options.quick { (3, 2) } else { (7, 4) };
    let mut samples = ROUTES.map(|_| Vec::new());
    for round in 0..=rounds {
        for ((path, ..), samples) in ROUTES.iter().zip(&mut samples) {
            let sample = measure(&server, path, Duration::from_secs(duration))?;
            // The first round warms up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let [native, ..] = &samples;
    for ((_, name, promised), samples) in ROUTES.iter().zip(&samples) {
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
        report.add("throughput", format!("{name}: requests"), of(|sample| sample.per_second), "1/s");
        report.add("throughput", format!("{name}: p50"), of(|sample| sample.p50_ms), "ms");
        report.add("throughput", format!("{name}: p99"), of(|sample| sample.p99_ms), "ms");
        report.add("throughput", format!("{name}: server CPU per request"), of(|sample| sample.cpu_us), "us");
        if let Some(promised) = promised {
            let pairs = samples.iter().zip(native).map(|(sample, native)| sample.per_second / native.per_second);
            let ratio = (median(pairs.collect()), "x");
            report.add_bound("throughput", format!("{name}: ratio to native"), ratio, Bound::AtLeast(*promised));
        }
    }
    Ok(())
}

/// Asks for one path for as long as `duration`, as nobody in particular.
pub(crate) fn measure(server: &Server, path: &str, duration: Duration) -> anyhow::Result<Sample> {
    measure_as(None, server, path, duration)
}

/// Asks for one path for as long as `duration`, with a token.
pub(crate) fn measure_as(
    token: Option<String>,
    server: &Server,
    path: &str,
    duration: Duration,
) -> anyhow::Result<Sample> {
    let before = server.program.cpu_seconds()?;
    let load = Load { url: server.program.url(path), connections: CONNECTIONS, rate: None, duration, token };
    let outcome: Outcome = load.run()?;
    anyhow::ensure!(outcome.failed == 0, "{path}: {} of {} requests failed", outcome.failed, outcome.requests);
    Ok(Sample {
        per_second: outcome.per_second,
        p50_ms: outcome.percentile_ms(50.0),
        p99_ms: outcome.percentile_ms(99.0),
        cpu_us: (server.program.cpu_seconds()? - before) * 1e6 / outcome.requests as f64,
    })
}
