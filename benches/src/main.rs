//! Load benchmarks of a real server with real plugins: `cargo xtask bench` builds what they need and runs them.
//!
//! Absolute times depend on the machine and its neighbours, so everything that can be is measured beside something
//! native that does the same, in the same run, in turns. A row prints its bound and whether it was reached.

mod auth;
mod caller;
mod connection;
mod disk;
mod drop_in;
mod events;
mod grpc;
mod load;
mod neighbours;
mod program;
mod report;
mod server;
mod slow_disk;
mod start;
mod state;
mod store_counts;
mod swaps;
mod tally;
mod throughput;

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};

use self::report::Report;

/// How many clients ask at the same time, in turns, where that makes a difference.
const CLIENTS: [usize; 4] = [1, 8, 64, 256];
/// The number for which something is promised.
const PROMISED_CLIENTS: usize = 64;

/// What the benchmarks run on.
#[derive(Debug, Parser)]
struct Options {
    /// The server, built with the feature `bench-native`.
    #[arg(long)]
    server: PathBuf,
    /// Folder with the first-party plugins.
    #[arg(long)]
    plugins: PathBuf,
    /// Folder with the hostile guests.
    #[arg(long)]
    guests: PathBuf,
    /// Folder with the programs of others that `state` measures beside.
    #[arg(long)]
    peers: PathBuf,
    /// Folder on the disk that `state` and `events` measure.
    #[arg(long)]
    scratch: PathBuf,
    /// The benchmark of the events' queue, which `events` runs; left out where it is absent.
    #[arg(long)]
    queue: Option<PathBuf>,
    /// The library that makes the disk slower.
    #[arg(long)]
    slow_disk_library: Option<PathBuf>,
    /// Let every wait for the disk take so much longer, for all that `state` measures: how it goes on a slower disk.
    #[arg(long, value_name = "MICROSECONDS")]
    slow_disk: Option<u32>,
    /// Says that it does.
    #[arg(long, hide = true)]
    slow_disk_in_place: bool,
    /// Of `events`, measure only how soon events are handled, published at this rate.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    events_rate: Option<u32>,
    /// Of `state` and `events`, measure only with the 64 clients for which something is promised.
    #[arg(long)]
    promised_only: bool,
    /// Run only these.
    #[arg(value_name = "BENCHMARK")]
    named: Vec<Benchmark>,
    /// The same, in one word.
    #[arg(long, value_delimiter = ',', value_name = "BENCHMARK,...")]
    only: Vec<Benchmark>,
    /// Shorter and less exact.
    #[arg(long)]
    quick: bool,
    /// Leave out what `state` and `events` measure beside, and with it what is promised of both.
    #[arg(long)]
    alone: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// Requests per second and CPU per request, beside native.
    Throughput,
    /// From a file in the folder to the first answer.
    Drop,
    /// Swaps under load, and memory after many of them.
    Swaps,
    /// Start with a cold and a warm cache, and with 200 plugins.
    Start,
    /// A plugin's latency while its neighbours misbehave.
    Neighbours,
    /// What it costs to know who calls, and what sign-ins and new keys cost everybody else.
    Auth,
    /// Durable writes per second, beside what others do with the same disk; what a read adds.
    State,
    /// Durable events per second, beside brokers and a database; the time until they are handled; catching up.
    Events,
    /// Unary gRPC calls per second, beside a service of tonic's.
    Grpc,
}

impl Options {
    /// Returns how many clients ask at the same time, in turns.
    fn clients(&self) -> &'static [usize] {
        if self.promised_only { &[PROMISED_CLIENTS] } else { &CLIENTS }
    }

    fn runs(&self, benchmark: Benchmark) -> bool {
        let mut chosen = self.named.iter().chain(&self.only).peekable();
        chosen.peek().is_none() || chosen.any(|chosen| *chosen == benchmark)
    }

    /// Starts anew where the disk is to be slower than it is.
    fn slow_disk_down(&self) -> anyhow::Result<()> {
        let Some(microseconds) = self.slow_disk.filter(|_| !self.slow_disk_in_place) else { return Ok(()) };
        let others = Benchmark::value_variants().iter().filter(|benchmark| **benchmark != Benchmark::State);
        ensure!(
            !others.copied().any(|benchmark| self.runs(benchmark)),
            "--slow-disk is for `state` alone: NATS, beside which `events` measures, would keep the faster disk",
        );
        let library = self.slow_disk_library.as_deref().context("--slow-disk needs --slow-disk-library")?;
        match slow_disk::put_in_place(library, microseconds, "--slow-disk-in-place")? {}
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(
        options.events_rate.is_none() || options.runs(Benchmark::Events),
        "--events-rate is for `events`, which is not among what runs",
    );
    options.slow_disk_down()?;
    load::require_tool()?;
    let mut report = Report::new(!options.json);
    for benchmark in Benchmark::value_variants() {
        if !options.runs(*benchmark) {
            continue;
        }
        match benchmark {
            Benchmark::Throughput => throughput::run(&options, &mut report)?,
            Benchmark::Drop => drop_in::run(&options, &mut report)?,
            Benchmark::Swaps => swaps::run(&options, &mut report)?,
            Benchmark::Start => start::run(&options, &mut report)?,
            Benchmark::Neighbours => neighbours::run(&options, &mut report)?,
            Benchmark::Auth => auth::run(&options, &mut report)?,
            Benchmark::State => state::run(&options, &mut report)?,
            Benchmark::Events => events::run(&options, &mut report)?,
            Benchmark::Grpc => grpc::run(&options, &mut report)?,
        }
    }
    if options.json {
        println!("{}", report.to_json()?);
    }
    Ok(())
}
