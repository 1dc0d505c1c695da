//! Loads plugins and runs them.

mod hash;
mod name;

pub use hash::{ContentHash, ParseHashError};
pub use name::{ParseNameError, PluginName};
