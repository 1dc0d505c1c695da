//! Where the database is that a command works on.

use std::path::PathBuf;

use clap::Args;

use super::SettingsArgs;
use crate::serve::DATABASE_FILE;

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
    pub(crate) fn of(folder: &std::path::Path) -> Self {
        Self { data: Some(folder.to_owned()), config: None }
    }
}
