//! The `backplane` binary.

use std::process::ExitCode;

use backplane::command::Cli;
use clap::Parser;
use tikv_jemallocator::Jemalloc;

/// For SQLite and wasmtime, too. With the C library's a request costs up to a sixth more (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
