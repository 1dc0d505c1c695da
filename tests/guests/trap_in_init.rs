//! Panics before it ever takes a call.

#[backplane_sdk::plugin]
mod trap_in_init {
    use backplane_sdk::prelude::*;

    /// Panics.
    #[init]
    #[expect(clippy::panic, reason = "that is what the fixture is for")]
    fn start() -> Result<()> {
        panic!("the guest's init panicked on purpose");
    }

    /// Answers, if it ever comes to that.
    #[get("/", public)]
    fn answer() -> &'static str {
        "never"
    }
}
