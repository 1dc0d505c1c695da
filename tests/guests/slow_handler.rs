//! Takes as long as it is told, without computing. Two calls at a time.

#[backplane_sdk::plugin(concurrency = 2, timeout = "30s")]
mod slow_handler {
    use std::{thread, time::Duration};

    use backplane_sdk::prelude::*;

    /// Sleeps, in a call that changes nothing.
    #[get("/{millis}", public)]
    fn read_slowly(Path(millis): Path<u64>) -> String {
        sleep("read", millis)
    }

    /// Sleeps, in a call that would change something.
    #[post("/{millis}", public)]
    fn write_slowly(Path(millis): Path<u64>) -> String {
        sleep("write", millis)
    }

    /// Sleeps past the route's own limit.
    #[get("/limited/{millis}", public, timeout = "100ms")]
    fn sleep_past_the_limit(Path(millis): Path<u64>) -> String {
        sleep("limited", millis)
    }

    fn sleep(what: &str, millis: u64) -> String {
        log::info!("{what} of {millis} ms began");
        thread::sleep(Duration::from_millis(millis));
        log::info!("{what} of {millis} ms finished");
        format!("slept {millis} ms")
    }
}
