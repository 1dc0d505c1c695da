//! The command line: one file for each command.

pub mod backup;
pub mod build;
mod cargo;
pub mod check;
pub mod compile;
pub mod config;
pub mod data;
mod database;
mod install;
pub mod new;
mod output;
mod password_input;
pub mod restore;
pub mod serve;
mod settings;
pub mod token;
mod trail;
pub mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::settings::SettingsArgs;

/// What `--help` says after the commands.
const EXAMPLES: &str = "\
Examples:
  backplane new hello             start a plugin in ./hello
  cd hello && cargo test          try its handlers without a server
  backplane build --out ../plugins.d
                                  compile it, check it, and place it in the folder
  backplane serve                 serve ./plugins.d on 127.0.0.1:8080
  curl localhost:8080/hello/Ada   call it";

/// What `serve --help` says after the options.
const SERVE_EXAMPLES: &str = "\
A file that is placed in the folder is live at once; a file that is removed is gone. The first SIGTERM or Ctrl-C lets \
requests in flight finish, the second one stops the server.

Examples:
  backplane serve
  backplane serve --plugins /srv/plugins --data /srv/data --listen 0.0.0.0:80";

/// Turns a folder of WebAssembly components into a live backend.
#[derive(Debug, Parser)]
#[command(name = "backplane", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the plugins in a folder
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Start a new plugin
    New(new::NewArgs),
    /// Compile the plugin in this directory, and check it
    Build(build::BuildArgs),
    /// Check a component as the server would before it goes live
    Check(check::CheckArgs),
    /// Print the configuration in effect
    Config(config::ConfigArgs),
    /// Write what the server keeps to one file
    Backup(backup::BackupArgs),
    /// Put a backup in the place of what the server keeps
    Restore(restore::RestoreArgs),
    /// List, export and delete what plugins keep
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Add, list and change who can sign in
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make access tokens for scripts
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Compile a component for the server: its standard input to its standard output
    #[command(name = compile::NAME, hide = true)]
    Compile(compile::CompileArgs),
}

impl Cli {
    /// Runs the command and returns the exit code: a failure when a check has refused the component.
    ///
    /// # Errors
    /// When the command fails, with what to do next.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(args) => serve::run(&args)?,
            Command::New(args) => new::run(&args)?,
            Command::Build(args) => build::run(&args)?,
            Command::Check(args) => {
                if !check::run(&args)? {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Command::Config(args) => config::run(&args)?,
            Command::Backup(args) => backup::run(&args)?,
            Command::Restore(args) => restore::run(&args)?,
            Command::Data(command) => data::run(&command)?,
            Command::User(command) => user::run(&command)?,
            Command::Token(command) => token::run(&command)?,
            Command::Compile(args) => compile::run(&args)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_command_but_the_hidden_one() {
        let help = Cli::command().render_help().to_string();
        for command in ["serve", "new", "build", "check", "config", "backup", "restore", "data", "user", "token"] {
            assert!(help.contains(&format!("\n  {command} ")), "{command} in\n{help}");
        }
        assert!(!help.contains("standard input"), "{help}");
    }
}
