//! Keeps what must outlive the process.

mod migrate;
mod open_error;
mod schema;

pub use self::open_error::{OpenError, SqliteError};
