//! The flags that override the configuration.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;

use crate::config::{Config, Setting, Sources};

/// Where the configuration is, and what overrides it.
#[derive(Debug, Default, Args)]
pub struct SettingsArgs {
    /// Configuration file [default: BACKPLANE_CONFIG, else backplane.toml if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of plugins [default: ./plugins.d]
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// Folder that the server keeps its state in [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

impl SettingsArgs {
    /// Reads the configuration, with the origin of each value.
    ///
    /// # Errors
    /// When anything is wrong with it, with everything that is.
    pub fn load(&self) -> anyhow::Result<(Config, Vec<Setting>)> {
        let text = |path: &PathBuf| {
            path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8: rename it", path.display()))
        };
        let mut flags = BTreeMap::new();
        if let Some(plugins) = &self.plugins {
            flags.insert("plugins".to_owned(), text(plugins)?);
        }
        if let Some(data) = &self.data {
            flags.insert("data".to_owned(), text(data)?);
        }
        if let Some(listen) = &self.listen {
            flags.insert("listen".to_owned(), listen.clone());
        }
        let sources = Sources::of_process(self.config.as_deref(), flags)?;
        Ok(Config::load_with_settings(sources)?)
    }
}
