//! `backplane config`: the configuration in effect, as a file.

use clap::Args;

use super::SettingsArgs;
use crate::config::{DEFAULT_FILE_CONTENTS, render};

/// Arguments of `backplane config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backplane config                              each value, and where it came from
  backplane config --default > backplane.toml   a file to start from, with every key explained")]
pub struct ConfigArgs {
    /// Print the defaults with their explanations, and read nothing
    #[arg(long)]
    pub default: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the command's own help")]
    pub settings: SettingsArgs,
}

/// Prints the configuration.
///
/// # Errors
/// When the configuration cannot be used.
pub fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    if args.default {
        print!("{DEFAULT_FILE_CONTENTS}");
    } else {
        print!("{}", render(&args.settings.load()?.1));
    }
    Ok(())
}
