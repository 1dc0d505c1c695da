//! Where two crates meet that do not know each other: the runtime asks through its ports, and what stands behind them
//! answers.
//!
//! There is nothing here but translation. What a quota is, and which call gets which keyspace, is decided elsewhere.

mod keyspace;
mod translate;

pub use self::keyspace::{PluginState, Recorded, ReplyRecord};
