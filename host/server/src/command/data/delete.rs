//! `backplane data delete`: everything that one plugin keeps, for good.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::{bail, ensure};
use backplane_store::{CommandStore, Usage};
use bytesize::ByteSize;
use clap::Args;
use serde::Serialize;

use super::never_kept;
use crate::command::{database::DatabaseArgs, output};

/// Arguments of `backplane data delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
Deletes the plugin's keys and the answers that are kept for repeated requests. Its versions stay. The server may run \
meanwhile, and the plugin may be live: calls see the keys go in steps, and what they write later stays.

Without --yes it asks, and where there is nobody to ask it does nothing.

Examples:
  backplane backup before.sqlite --data /var/lib/backplane    keep a copy first
  backplane data delete orders --data /var/lib/backplane")]
pub struct DeleteArgs {
    /// Name of the plugin, which need not be in the folder any more
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was deleted.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    plugin: String,
    keys: u64,
    replies: u64,
    bytes: u64,
}

/// Asks, deletes, and says how much that was.
///
/// # Errors
/// When the plugin never kept anything, nobody says yes, or the database cannot be written.
pub fn run(args: &DeleteArgs) -> anyhow::Result<()> {
    let mut store = CommandStore::open(&args.database.path()?)?;
    let usage = store.find_usage(&args.name)?.ok_or_else(|| never_kept(&args.name))?;
    if !args.yes {
        require_yes(&usage)?;
    }
    output::print(&delete(&mut store, &args.name)?, args.json)
}

fn require_yes(Usage { plugin, keys, replies, bytes }: &Usage) -> anyhow::Result<()> {
    ensure!(io::stdin().is_terminal(), "nothing was deleted: say --yes, because there is nobody here to ask");
    let size = ByteSize::b(*bytes).display().iec();
    eprint!("Delete {keys} keys and {replies} kept answers of {plugin} ({size}) for good? Write yes: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { bail!("nothing was deleted") }
}

/// Deletes in steps, so that a server that runs never waits long.
fn delete(store: &mut CommandStore, plugin: &str) -> anyhow::Result<Report> {
    let mut report = Report { plugin: plugin.to_owned(), ..Report::default() };
    loop {
        let step = store.delete_step(plugin)?;
        report.keys += step.keys;
        report.replies += step.replies;
        report.bytes += step.bytes;
        if !step.more {
            return Ok(report);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, keys, replies, bytes } = self;
        let size = ByteSize::b(*bytes).display().iec();
        writeln!(f, "Deleted {keys} keys and {replies} kept answers of {plugin} ({size})")
    }
}
