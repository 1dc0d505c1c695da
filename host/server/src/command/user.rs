//! `backplane user`: who can sign in.
//!
//! The commands work on the database, whether a server runs on it or not. One that runs knows within a second what
//! they took from somebody. What they do is in the audit trail.

pub mod add;
pub mod list;
pub mod lock;
pub mod password;
#[cfg(test)]
mod tests;

use backplane_store::{
    CommandStore,
    identity::{
        audit,
        users::{self, UpdateUserError, User, UserChange},
    },
};
use clap::Subcommand;

use super::{
    database::{self, DatabaseArgs},
    trail,
};
use crate::{clock::Clock, identity::ADMIN_ROLE};

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add somebody who can sign in
    Add(add::AddArgs),
    /// List everybody who can sign in
    List(list::ListArgs),
    /// Set somebody's password, and end their sessions
    Password(password::PasswordArgs),
    /// Let somebody sign in no more, and end their sessions
    Disable(lock::DisableArgs),
    /// Let somebody sign in again
    Enable(lock::EnableArgs),
}

/// Runs the command.
///
/// # Errors
/// When it fails, with what to do next.
pub fn run(command: &UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(args) => add::run(args),
        UserCommand::List(args) => list::run(args),
        UserCommand::Password(args) => password::run(args),
        UserCommand::Disable(args) => lock::disable(args),
        UserCommand::Enable(args) => lock::enable(args),
    }
}

/// Returns an account.
///
/// # Errors
/// When there is none of that name, or the database cannot be read.
fn get(store: &mut CommandStore, name: &str) -> anyhow::Result<User> {
    let found = store.read(|connection| users::find_by_name(connection, name))?;
    found.ok_or_else(|| database::unknown_user(name))
}

/// Changes an account and writes that down, in one transaction.
fn change(store: &mut CommandStore, user: &User, change: &UserChange, what: &str) -> anyhow::Result<()> {
    let at_ms = Clock::SYSTEM.unix_ms().0;
    let changed = store.write(|connection| {
        users::update(connection, &user.subject, change, ADMIN_ROLE, at_ms)?;
        let entry = trail::entry("user.update", &user.name, what, at_ms);
        Ok::<_, UpdateUserError>(audit::append(connection, entry)?)
    });
    changed.map_err(|error| explain(error, &user.name))
}

fn explain(error: UpdateUserError, name: &str) -> anyhow::Error {
    match error {
        UpdateUserError::LastAdministrator => anyhow::anyhow!(
            "`{name}` is the last administrator who can sign in: add another one first, with `backplane user add NAME \
             --role {ADMIN_ROLE}`"
        ),
        UpdateUserError::Unknown => anyhow::anyhow!("somebody has just deleted the user `{name}`"),
        UpdateUserError::Store(error) => error.into(),
    }
}

fn open(database: &DatabaseArgs) -> anyhow::Result<CommandStore> {
    database::open(&database.path()?)
}
