//! Says at its start that it cannot work.

#[backplane_sdk::plugin]
mod init_refuses {
    use backplane_sdk::prelude::*;

    /// Refuses.
    #[init]
    fn start() -> Result<()> {
        Err(Problem::new(503, "not_ready", "the stars are not right"))
    }

    /// Answers, if it ever comes to that.
    #[get("/", public)]
    fn answer() -> &'static str {
        "never"
    }
}
