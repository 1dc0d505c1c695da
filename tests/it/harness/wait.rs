//! Waiting for a condition: the only place that sleeps, and the only one that looks at a clock.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up. Far more than it takes, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns what `look` finds, as soon as it finds something; `None` when that takes too long.
pub(crate) fn poll<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    while watch.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(PAUSE);
    }
    None
}

/// Returns what `look` finds, however long that takes while what it sees instead changes; what it saw at last when that
/// has not changed for too long.
pub(crate) fn poll_while_changing<T, S: PartialEq>(mut look: impl FnMut() -> Result<T, S>) -> Result<T, S> {
    let (mut before, mut watch) = (None, Stopwatch::start());
    loop {
        let seen = match look() {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        if before.as_ref() != Some(&seen) {
            (before, watch) = (Some(seen), Stopwatch::start());
        } else if watch.elapsed() >= PATIENCE {
            return Err(seen);
        }
        thread::sleep(PAUSE);
    }
}

/// Returns what `look` finds, as soon as it finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    poll(look).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Returns as soon as `look` says yes.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut look: impl FnMut() -> bool) {
    wait_for(what, || look().then_some(()));
}

/// Returns at the very moment when `look` says yes.
#[track_caller]
pub(crate) fn spin_until(what: &str, look: impl Fn() -> bool) {
    let watch = Stopwatch::start();
    while !look() {
        assert!(watch.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        thread::yield_now();
    }
}

/// Sets a flag however the test goes on: whoever waits for it must not wait for ever.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Real time that has passed.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "a black-box test measures the real time of another process")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
