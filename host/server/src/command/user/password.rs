//! `backplane user password`: another password, for whoever forgot theirs.

use backplane_auth::{HashedPassword, SystemRandom, hash_password};
use backplane_store::identity::{PasswordHash, users::UserChange};
use clap::Args;

use crate::command::{database::DatabaseArgs, password_input::read_password};

/// Arguments of `backplane user password`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password is asked for twice on the terminal; without a terminal it is the first line of standard input. Every \
session of the account ends, in a server that runs within a second. Its API keys stay.

Examples:
  backplane user password ada --data /var/lib/backplane
  backplane user password ci < password.txt")]
pub struct PasswordArgs {
    /// Whose password
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

/// Sets the password.
///
/// # Errors
/// When there is no such account, the password cannot be chosen, or the database cannot be written.
pub fn run(args: &PasswordArgs) -> anyhow::Result<()> {
    let mut store = super::open(&args.database)?;
    let user = super::get(&mut store, &args.name)?;
    let HashedPassword(hash) = hash_password(&read_password(&user.name)?, &user.name, &SystemRandom::new())?;
    let change = UserChange { password_hash: Some(PasswordHash(hash)), ..UserChange::default() };
    super::change(&mut store, &user, &change, "password")?;
    println!("Set the password of {} and ended every session", user.name);
    Ok(())
}
