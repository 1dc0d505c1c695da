//! `hello` with a token and without, in turns.

use std::time::Duration;

use super::HELLO;
use crate::{
    Options,
    report::{Bound, Report, median},
    server::Server,
    throughput::measure_as,
};

/// Measures both, so that a slow minute of the machine meets both.
pub(super) fn run(options: &Options, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let (rounds, seconds) = if options.quick { (3, 2) } else { (9, 4) };
    let callers = [None, Some(server.token()?.to_owned())];
    let mut samples = callers.each_ref().map(|_| Vec::new());
    for round in 0..=rounds {
        for (token, samples) in callers.iter().zip(&mut samples) {
            let sample = measure_as(token.clone(), server, HELLO, Duration::from_secs(seconds))?;
            // The first round warms up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let [without, with] = &samples;
    let rates =
        |samples: &[crate::throughput::Sample]| median(samples.iter().map(|sample| sample.per_second).collect());
    report.add("auth", "hello without a token: requests", rates(without), "1/s");
    report.add("auth", "hello with a token: requests", rates(with), "1/s");
    let added = with.iter().zip(without).map(|(with, without)| with.cpu_us - without.cpu_us).collect();
    report.add("auth", "server CPU that a token adds to a request", median(added), "us");
    let ratios = with.iter().zip(without).map(|(with, without)| with.per_second / without.per_second).collect();
    report.add_bound("auth", "hello with a token: ratio to without", (median(ratios), "x"), Bound::AtLeast(0.90));
    Ok(())
}
