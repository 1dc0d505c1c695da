//! What a command says in the end: for people, or as JSON for programs.

use std::{
    fmt::Display,
    io::{ErrorKind, Write as _},
};

use serde::Serialize;

/// Prints a result to standard output. Whoever stopped reading has seen enough, as `head` does.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn print<T: Display + Serialize>(result: &T, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json { serde_json::to_string_pretty(result)? + "\n" } else { result.to_string() };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
