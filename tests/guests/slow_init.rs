//! Takes a minute to start.

#[backplane_sdk::plugin]
mod slow_init {
    use std::time::Duration;

    use backplane_sdk::prelude::*;

    /// Sleeps longer than any start may take.
    #[init]
    fn start() -> Result<()> {
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    }

    /// Answers, if it ever comes to that.
    #[get("/", public)]
    fn answer() -> &'static str {
        "up at last"
    }
}
