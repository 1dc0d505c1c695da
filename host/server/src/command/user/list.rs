//! `backplane user list`: who can sign in, and what they are.

use std::fmt;

use backplane_store::{CommandStore, identity::users};
use clap::Args;
use serde::Serialize;

use crate::{
    command::{database::DatabaseArgs, output},
    endpoint::UserView,
};

/// Accounts that are read at once.
pub(super) const PAGE: usize = 1000;

/// Arguments of `backplane user list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backplane user list --data /var/lib/backplane
  backplane user list --json | jq -r '.[] | select(.disabled) | .name'")]
pub struct ListArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// All of them, by name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Rows(pub(super) Vec<UserView>);

/// Prints the list.
///
/// # Errors
/// When there is no database, or it cannot be read.
pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    let mut store = super::open(&args.database)?;
    output::print(&Rows(list(&mut store)?), args.json)
}

pub(super) fn list(store: &mut CommandStore) -> anyhow::Result<Vec<UserView>> {
    let mut rows: Vec<UserView> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.name.clone());
        let page = store.read(|connection| users::list(connection, after.as_deref(), PAGE))?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page.into_iter().map(UserView::from));
    }
}

fn state(user: &UserView) -> String {
    match user.last_login_at {
        _ if user.disabled => "disabled".to_owned(),
        Some(at) => format!("signed in {}", at.strftime("%Y-%m-%d")),
        None => "never signed in".to_owned(),
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "Nobody can sign in yet.");
        }
        writeln!(f, "{:<24} {:<24} {:<20} SCOPES", "NAME", "ROLES", "STATE")?;
        self.0.iter().try_for_each(|row| {
            let line =
                format!("{:<24} {:<24} {:<20} {}", row.name, row.roles.join(" "), state(row), row.scopes.join(" "));
            writeln!(f, "{}", line.trim_end())
        })
    }
}
