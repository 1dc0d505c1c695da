//! `backplane token`: access tokens without a password, for whoever may read the data folder.

pub mod issue;
mod signing;

use clap::Subcommand;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print an access token of somebody
    Issue(issue::IssueArgs),
}

/// Runs the command.
///
/// # Errors
/// When it fails, with what to do next.
pub fn run(command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Issue(args) => issue::run(args),
    }
}
