//! The `backplane` binary.

use std::process::ExitCode;

use backplane::command::Cli;
use clap::Parser;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
