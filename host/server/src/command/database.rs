//! Where the database is that a command works on.

use std::path::{Path, PathBuf};

use backplane_store::{CommandStore, OpenError};
use clap::Args;

use super::SettingsArgs;
use crate::{identity::ADMIN_ROLE, serve::DATABASE_FILE};

/// How a command is told the data folder.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// The server's data folder [default: what the configuration says, else ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file that names the data folder [default: BACKPLANE_CONFIG, else backplane.toml if it is there]
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
}

impl DatabaseArgs {
    /// Returns the path of the database. The configuration is read only where no folder is given.
    ///
    /// # Errors
    /// When anything is wrong with the configuration.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        let folder = match &self.data {
            Some(folder) => folder.clone(),
            None => SettingsArgs { config: self.config.clone(), ..SettingsArgs::default() }.load()?.0.data,
        };
        Ok(folder.join(DATABASE_FILE))
    }

    #[cfg(test)]
    pub(crate) fn of(folder: &Path) -> Self {
        Self { data: Some(folder.to_owned()), config: None }
    }
}

/// Opens a database in which somebody can sign in.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(super) fn open(path: &Path) -> anyhow::Result<CommandStore> {
    CommandStore::open(path).map_err(|error| match error {
        OpenError::Missing { .. } => {
            let folder = path.parent().unwrap_or(path).display();
            anyhow::anyhow!(
                "nobody can sign in to {folder} yet, it has no database: `backplane user add NAME --role {ADMIN_ROLE}` \
                 makes both"
            )
        }
        other => other.into(),
    })
}

/// What to say of somebody who is not there.
pub(super) fn unknown_user(name: &str) -> anyhow::Error {
    anyhow::anyhow!("there is no user `{name}`: `backplane user list` names everybody")
}
