//! The host's handlers: one file for each endpoint.

mod list_plugins;
mod list_versions;
mod roll_back_plugin;
mod show_health;
mod show_plugin;
mod show_readiness;
mod show_status;
mod show_storage;
mod show_store;

pub use self::{
    list_plugins::list_plugins, list_versions::list_versions, roll_back_plugin::roll_back_plugin,
    show_health::show_health, show_plugin::show_plugin, show_readiness::show_readiness, show_status::show_status,
    show_storage::show_storage, show_store::show_store,
};
