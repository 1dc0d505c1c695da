//! Counts in a `static`, in an instance that answers one call: it never gets past 1.

#[backplane_sdk::plugin]
mod counter_fresh {
    use std::sync::atomic::{AtomicU32, Ordering};

    use backplane_sdk::prelude::*;

    static CALLS: AtomicU32 = AtomicU32::new(0);

    /// Answers how many calls this instance has seen.
    #[get("/", public)]
    fn count() -> String {
        (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    /// Panics, which ends the instance.
    #[get("/panic", public)]
    #[expect(clippy::panic, reason = "the next call must get a new instance")]
    fn fail() -> NoContent {
        panic!("the guest panicked on purpose");
    }
}
