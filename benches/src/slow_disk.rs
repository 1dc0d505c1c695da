//! The same on a slower disk: every wait for it takes longer, in this program and in all that it starts.

use std::{convert::Infallible, env, os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::Context as _;

/// What the library reads (`slow-disk`).
const DELAY: &str = "SLOW_DISK_MICROSECONDS";

/// Puts `library` between the C library and this program, which starts anew with the arguments that it was given, and
/// with `mark`.
///
/// # Errors
/// When it does not start; otherwise it does not return.
pub(crate) fn put_in_place(library: &Path, microseconds: u32, mark: &str) -> anyhow::Result<Infallible> {
    // Programs that are started in other folders find it, too.
    let library = library.canonicalize().with_context(|| format!("{} is not built", library.display()))?;
    let mut again = Command::new(env::current_exe().context("this program is gone")?);
    again.args(env::args_os().skip(1)).arg(mark).env("LD_PRELOAD", library).env(DELAY, microseconds.to_string());
    Err(again.exec()).context("the benchmarks do not start with a slower disk")
}
