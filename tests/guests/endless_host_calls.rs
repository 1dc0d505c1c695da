//! Calls the host for ever: a call is a chance to escape the meter.

#[backplane_sdk::plugin]
mod endless_host_calls {
    use std::hint::black_box;

    use backplane_sdk::{config, log::Level, prelude::*};

    /// Asks for a setting that nobody declared, again and again.
    #[get("/config", public)]
    fn ask() -> Result<NoContent> {
        loop {
            black_box(config::get::<String>("nothing")?);
        }
    }

    /// Writes lines, again and again.
    #[get("/log", public)]
    fn log() -> NoContent {
        loop {
            log::write(Level::Info, "again", &[]);
        }
    }

    /// Asks who calls and how much time is left, again and again.
    #[get("/context", public)]
    fn context(context: Context) -> NoContent {
        loop {
            black_box((context.caller(), context.remaining(), context.request_id()));
        }
    }
}
