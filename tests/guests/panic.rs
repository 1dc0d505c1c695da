//! Panics on one route and answers on the other.

#[backplane_sdk::plugin]
mod panic {
    use backplane_sdk::prelude::*;

    /// Panics.
    #[get("/", public)]
    #[expect(clippy::panic, reason = "that is what the fixture is for")]
    fn fail() -> NoContent {
        panic!("the guest panicked on purpose");
    }

    /// Answers.
    #[get("/answer", public)]
    fn answer() -> &'static str {
        "still here"
    }
}
