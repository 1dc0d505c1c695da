//! The project's automation, in Rust and nothing else: `cargo xtask <command>`.
//!
//! Every command works from a fresh clone with Rust alone, and says what it does before it does it.

#![forbid(unsafe_code)]

mod bench;
mod components;
mod demo;
mod interop;
mod layout;
mod miri;
mod release;
mod run;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What developers do with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the server and the first-party plugins, and serves them; `cargo xtask plugins` replaces them live.
    Run {
        /// Passed to `backplane serve`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds everything and runs every test.
    Test {
        /// Passed to `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs clients of gRPC in Python and Node against the server, the plugins and the fixtures.
    Interop,
    /// Builds the first-party plugins into `target/plugins`.
    Plugins,
    /// Builds the fixtures of the tests into `target/guests`.
    Guests,
    /// Builds the server as it is to be shipped: it serves for some minutes first, and is then compiled and laid out for
    /// what its time went into. Two builds for release, one after the other.
    Release {
        /// Compile for a profile that was made before, and make none.
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
        /// Leave the code where the linker puts it, which needs no BOLT.
        #[arg(long)]
        no_layout: bool,
    },
    /// Builds for release and measures, beside a native route in the same server.
    Bench {
        /// Measure this server, and build none. `throughput` wants one with the feature `bench-native`.
        #[arg(long, value_name = "FILE")]
        server: Option<PathBuf>,
        /// Passed to the benchmarks; `--help` lists what they take.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Checks the lock-free queue of events in every order of its threads that matters: its model with loom, itself under
    /// Miri.
    Miri,
    /// Checks the rules that no compiler knows.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    let command = Cli::parse().command;
    let workspace = Workspace::find()?;
    match command {
        Command::Run { arguments } => run::run(&workspace, &arguments),
        Command::Test { arguments } => test::test(&workspace, &arguments),
        Command::Interop => interop::build_and_test(&workspace),
        Command::Plugins => components::build_plugins(&workspace),
        Command::Guests => components::build_guests(&workspace),
        Command::Release { profile, no_layout } => release::build(&workspace, profile.as_deref(), !no_layout),
        Command::Bench { server, arguments } => bench::run(&workspace, server.as_deref(), &arguments),
        Command::Miri => miri::check(&workspace),
        Command::Tidy => tidy::check(&workspace.root),
    }
}
