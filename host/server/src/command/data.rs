//! `backplane data`: what single plugins keep.

pub mod delete;
pub mod export;
pub mod list;

use clap::Subcommand;

/// What can be done with what plugins keep.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// List what every plugin keeps
    List(list::ListArgs),
    /// Write the keys of one plugin, one JSON object for each
    Export(export::ExportArgs),
    /// Delete everything that one plugin keeps
    Delete(delete::DeleteArgs),
}

/// Runs the command.
///
/// # Errors
/// When it fails, with what to do next.
pub fn run(command: &DataCommand) -> anyhow::Result<()> {
    match command {
        DataCommand::List(args) => list::run(args),
        DataCommand::Export(args) => export::run(args),
        DataCommand::Delete(args) => delete::run(args),
    }
}

/// What to say of a plugin that is not in the database.
fn never_kept(plugin: &str) -> anyhow::Error {
    anyhow::anyhow!("plugin `{plugin}` never kept anything here: `backplane data list` names those that did")
}

#[cfg(test)]
mod tests;
