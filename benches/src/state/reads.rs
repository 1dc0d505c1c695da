//! What `kv.get` adds: the processor's time of a GET that reads one key, less that of one that reads none.

use std::time::Duration;

use crate::{
    Options,
    report::{Bound, Report, median},
    server::Server,
    throughput::measure,
};

/// Answers a constant, and what is stored under a key that was counted: the same plugin, as many bytes.
const ROUTES: [&str; 2] = ["/kv-bench/nothing/hot", "/kv-bench/read/hot"];

/// Measures both in turns.
pub(super) fn run(options: &Options, server: &Server, name: &str, report: &mut Report) -> anyhow::Result<()> {
    let (rounds, duration) = if options.quick { (3, 1) } else { (7, 3) };
    let mut cpu_us = ROUTES.map(|_| Vec::new());
    for round in 0..=rounds {
        for (path, samples) in ROUTES.iter().zip(&mut cpu_us) {
            let sample = measure(server, path, Duration::from_secs(duration))?;
            // The first round warms up.
            if round > 0 {
                samples.push(sample.cpu_us);
            }
        }
    }
    let [nothing, read] = cpu_us;
    let added = median(nothing.iter().zip(&read).map(|(nothing, read)| read - nothing).collect());
    report.add("state", format!("{name}: server CPU of a GET that reads none"), median(nothing), "us");
    report.add("state", format!("{name}: server CPU of a GET that reads one"), median(read), "us");
    report.add_bound("state", format!("{name}: what kv.get adds"), (added, "us"), Bound::AtMost(15.0));
    Ok(())
}
