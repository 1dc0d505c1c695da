//! `backplane user disable` and `enable`: somebody is kept out, or let in again.

use backplane_store::identity::users::UserChange;
use clap::Args;

use crate::command::database::DatabaseArgs;

/// Arguments of `backplane user disable`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every session of the account ends and its API keys are refused, in a server that runs within a second. The last \
administrator cannot be disabled.

Example:
  backplane user disable ada --data /var/lib/backplane")]
pub struct DisableArgs {
    /// Whom to keep out
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Arguments of `backplane user enable`.
#[derive(Debug, Args)]
#[command(after_help = "\
Sessions that ended stay so: the account signs in again. Its API keys are good again.

Example:
  backplane user enable ada --data /var/lib/backplane")]
pub struct EnableArgs {
    /// Whom to let in again
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Disables the account.
///
/// # Errors
/// When there is no such account, it is the last administrator's, or the database cannot be written.
pub fn disable(args: &DisableArgs) -> anyhow::Result<()> {
    set(&args.database, &args.name, true)?;
    println!("Disabled {} and ended every session", args.name);
    Ok(())
}

/// Enables the account.
///
/// # Errors
/// When there is no such account, or the database cannot be written.
pub fn enable(args: &EnableArgs) -> anyhow::Result<()> {
    set(&args.database, &args.name, false)?;
    println!("Enabled {}", args.name);
    Ok(())
}

fn set(database: &DatabaseArgs, name: &str, disabled: bool) -> anyhow::Result<()> {
    let mut store = super::open(database)?;
    let user = super::get(&mut store, name)?;
    let change = UserChange { disabled: Some(disabled), ..UserChange::default() };
    super::change(&mut store, &user, &change, if disabled { "disabled" } else { "enabled" })
}
