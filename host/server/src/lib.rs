//! The server.

pub mod config;
pub mod folder;
pub mod listen;
pub mod middleware;
pub mod problem;
pub mod shutdown;
pub mod telemetry;
pub mod versions;
