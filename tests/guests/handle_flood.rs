//! Opens host resources and never gives one back.

#[backplane_sdk::plugin]
mod handle_flood {
    use backplane_sdk::prelude::*;

    /// Asks for one timer after the other.
    #[get("/", public)]
    fn open() -> NoContent {
        loop {
            leak();
        }
    }

    #[cfg(target_arch = "wasm32")]
    fn leak() {
        std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX));
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn leak() {}
}
