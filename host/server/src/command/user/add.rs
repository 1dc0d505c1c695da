//! `backplane user add`: somebody more who can sign in, the first one included.

use std::fmt;

use anyhow::{Context as _, ensure};
use backplane_auth::{HashedPassword, Names, SystemRandom, hash_password};
use backplane_store::{
    CommandStore,
    identity::{
        PasswordHash, audit,
        users::{self, CreateUserError, NewUser},
    },
};
use clap::Args;
use serde::Serialize;

use crate::{
    clock::Clock,
    command::{database::DatabaseArgs, output, password_input::read_password, trail},
    identity::accounts::{RIGHTS_BYTES_MAX, USER_NAME_RULE, create_subject, has_too_many_rights, is_user_name},
};

/// Arguments of `backplane user add`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password is asked for twice on the terminal; without a terminal it is the first line of standard input. It is \
never an argument: others can see those. The role `admin` may use the management API; other roles and scopes mean what \
plugins say. The server may run, and knows the account at once; where there is no database yet, it is made.

Examples:
  backplane user add ada --role admin --data /var/lib/backplane
  backplane user add bob --role clerk --role auditor --scope orders:read
  backplane user add ci --role deploy < password.txt")]
pub struct AddArgs {
    /// What the account is called: 1 to 64 of a-z, 0-9 and . _ @ + -
    pub(crate) name: String,
    /// A role of the account; once for each
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub(crate) roles: Vec<String>,
    /// A scope that its sign-ins carry; once for each
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// An account that was added.
#[derive(Debug, Serialize)]
struct Added<'a> {
    subject: &'a str,
    name: &'a str,
    roles: Vec<&'a str>,
    scopes: Vec<&'a str>,
}

/// Adds the account.
///
/// # Errors
/// When its name, a role, a scope or the password cannot be, there is one of that name, or the database cannot be
/// written. Nothing is made then.
pub fn run(args: &AddArgs) -> anyhow::Result<()> {
    ensure!(is_user_name(&args.name), USER_NAME_RULE);
    let roles = Names::new(&args.roles).context("failed to read --role")?;
    let scopes = Names::new(&args.scopes).context("failed to read --scope")?;
    let (roles_text, scopes_text) = (roles.to_scope(), scopes.to_scope());
    let is_too_much = has_too_many_rights(&roles_text, &scopes_text);
    ensure!(!is_too_much, "the roles and scopes of an account may have {RIGHTS_BYTES_MAX} bytes together");
    let HashedPassword(hash) = hash_password(&read_password(&args.name)?, &args.name, &SystemRandom::new())?;
    let user = NewUser {
        subject: create_subject(Clock::SYSTEM),
        name: args.name.clone(),
        password_hash: PasswordHash(hash),
        roles: roles_text,
        scopes: scopes_text,
        created_at_ms: Clock::SYSTEM.unix_ms().0,
    };
    let mut store = CommandStore::open_or_create(&args.database.path()?)?;
    create(&mut store, &user)?;
    let (roles, scopes) = (roles.iter().collect(), scopes.iter().collect());
    output::print(&Added { subject: &user.subject, name: &user.name, roles, scopes }, args.json)
}

pub(super) fn create(store: &mut CommandStore, user: &NewUser) -> anyhow::Result<()> {
    let created = store.write(|connection| {
        users::create(connection, user)?;
        let what = format!("roles `{}`, scopes `{}`", user.roles, user.scopes);
        let entry = trail::entry("user.create", &user.name, &what, user.created_at_ms);
        Ok::<_, CreateUserError>(audit::append(connection, entry)?)
    });
    created.map_err(|error| match error {
        CreateUserError::Exists => anyhow::anyhow!(
            "the user `{name}` exists: `backplane user password {name}` sets another password",
            name = user.name
        ),
        other => other.into(),
    })
}

impl fmt::Display for Added<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Added {} with {} {}", self.name, plural("role", self.roles.len()), self.roles.join(", "))?;
        match self.scopes.as_slice() {
            [] => writeln!(f),
            scopes => writeln!(f, " and {} {}", plural("scope", scopes.len()), scopes.join(", ")),
        }
    }
}

fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
