//! Runs of schedules, when the test says so.

use super::manifest::Manifest;
use super::{double, keyspace};
use crate::{Plugin, Result, Run};

/// Runs the function with `#[every]` or `#[cron]` of a name, for the time that the test's clock shows.
///
/// It runs as a fresh instance would: `#[init]`, then the function, within one transaction that commits on `Ok`. The test's
/// clock begins at the Unix epoch and is moved by [`advance_clock`](super::advance_clock); when a schedule is due is the
/// host's business, and not looked at.
///
/// # Errors
/// The problem that the function, or its commit, ended with.
///
/// # Panics
/// When there is no such function, and when the function does.
pub fn run_schedule<P: Plugin>(handler: &str) -> Result<()> {
    let manifest = Manifest::of::<P>();
    let position = (0..).zip(&manifest.schedules).find(|(_, schedule)| schedule.handler == handler);
    let Some((schedule, _)) = position else {
        let names: Vec<&str> = manifest.schedules.iter().map(|schedule| schedule.handler.as_str()).collect();
        #[expect(clippy::panic, reason = "a test fails by panicking")]
        {
            panic!("`{handler}` is no schedule of `{}`, which has {names:?}", manifest.name);
        }
    };
    let run = Run { schedule, slot_ms: keyspace::now_ms().try_into().unwrap_or(0) };
    let function = || {
        keyspace::run_without(P::init)?;
        P::handle_schedule(run)
    };
    double::without_caller(&manifest, None, || keyspace::run(manifest.writing(), function, || ()).map_err(Into::into))
}
