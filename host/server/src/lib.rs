//! The server.

pub mod config;
pub mod folder;
pub mod listen;
pub mod problem;
pub mod versions;
