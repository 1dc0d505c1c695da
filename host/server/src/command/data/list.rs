//! `backplane data list`: how much every plugin keeps.

use std::fmt;

use backplane_store::{CommandStore, Usage};
use bytesize::ByteSize;
use clap::Args;
use serde::Serialize;

use crate::command::{database::DatabaseArgs, output};

/// Arguments of `backplane data list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  backplane data list --data /var/lib/backplane")]
pub struct ListArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// What one plugin keeps.
#[derive(Debug, Serialize)]
struct Row {
    plugin: String,
    keys: u64,
    replies: u64,
    bytes: u64,
}

/// What all of them keep.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Rows(Vec<Row>);

/// Prints the list.
///
/// # Errors
/// When the database cannot be read.
pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    let usage = CommandStore::open(&args.database.path()?)?.list_usage()?;
    let row = |Usage { plugin, keys, replies, bytes }: Usage| Row { plugin, keys, replies, bytes };
    output::print(&Rows(usage.into_iter().map(row).collect()), args.json)
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "No plugin has kept anything yet.");
        }
        writeln!(f, "{:<24} {:>12} {:>12} {:>12}", "PLUGIN", "KEYS", "ANSWERS", "SIZE")?;
        self.0.iter().try_for_each(|Row { plugin, keys, replies, bytes }| {
            let size = ByteSize::b(*bytes).display().iec().to_string();
            writeln!(f, "{plugin:<24} {keys:>12} {replies:>12} {size:>12}")
        })
    }
}
