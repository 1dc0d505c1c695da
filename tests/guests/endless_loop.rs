//! Computes for ever, in its handler and with nothing to call.

#[backplane_sdk::plugin]
mod endless_loop {
    use std::hint::black_box;

    use backplane_sdk::prelude::*;

    /// Never answers.
    #[get("/", public)]
    fn spin() -> NoContent {
        let mut turns = 0_u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }

    /// Answers, so that a test can see the plugin live on.
    #[get("/answer", public)]
    fn answer() -> &'static str {
        "still here"
    }
}
