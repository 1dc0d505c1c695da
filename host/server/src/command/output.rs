//! What a command says in the end: for people, or as JSON for programs.

use std::{fmt::Display, io::Write as _};

use serde::Serialize;

/// Prints a result to standard output.
///
/// # Errors
/// When the output is closed.
pub(super) fn print<T: Display + Serialize>(result: &T, as_json: bool) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut stdout, result)?;
        writeln!(stdout)?;
    } else {
        write!(stdout, "{result}")?;
    }
    Ok(())
}
