//! The clock that interrupts guests.
//!
//! One thread advances the engine's epoch every [`TICK`] while a guest runs, and sleeps when none does. A
//! guest that computes for longer than a tick yields its thread, whatever it is doing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

/// Longest time that a guest computes without yielding.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a guest after which the thread sleeps: a busy host never pays for waking it.
const IDLE_TICKS_MAX: u32 = 200;

/// Handle to the thread, which ends when the engine is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    /// Guests that run now.
    running: AtomicUsize,
    /// Whether the thread sleeps, or is about to.
    asleep: AtomicBool,
}

/// Keeps the clock going while it exists.
#[derive(Debug)]
pub(crate) struct Running(Arc<Shared>);

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, on_thread) = (engine.weak(), Arc::clone(&shared));
        let thread = thread::Builder::new().name("epoch-ticker".into()).spawn(move || tick(&engine, &on_thread))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Says that a guest runs until the returned value is dropped.
    pub(crate) fn running(&self) -> Running {
        // Both sides write their own flag and then read the other's (`SeqCst`), so at least one of them sees
        // that there is work: either this call wakes the thread, or the thread does not go to sleep.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(Arc::clone(&self.shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle_ticks = 0;
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
        let idle = shared.running.load(Ordering::Relaxed) == 0;
        idle_ticks = if idle { idle_ticks + 1 } else { 0 };
        if idle_ticks >= IDLE_TICKS_MAX {
            sleep_until_needed(shared);
            idle_ticks = 0;
        }
    }
}

fn sleep_until_needed(shared: &Shared) {
    // Wakes now and then on its own to see whether the engine is gone.
    const LONGEST_SLEEP: Duration = Duration::from_secs(5);
    shared.asleep.store(true, Ordering::SeqCst);
    if shared.running.load(Ordering::SeqCst) == 0 {
        thread::park_timeout(LONGEST_SLEEP);
    }
    shared.asleep.store(false, Ordering::SeqCst);
}
