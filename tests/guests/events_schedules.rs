//! Runs by the clock: counts its runs, and takes its time, fails and traps where that is asked for.

#[backplane_sdk::plugin(timeout = "2s", publishes("ticked"))]
mod events_schedules {
    use std::{thread, time::Duration};

    use backplane_sdk::prelude::*;
    use serde::Serialize;

    /// What is known of the runs of a schedule.
    #[derive(Serialize)]
    struct Runs {
        count: u64,
        /// Of the last run, as its key says in milliseconds.
        last_slot_ms: u64,
    }

    /// Counts, and tells others.
    #[every("1s", missed = "once")]
    fn tick(run: Run) -> Result<()> {
        note("tick", run)?;
        events::topic("ticked").publish_json(&run.slot_ms)?;
        Ok(())
    }

    /// Counts every minute.
    #[cron("* * * * *", zone = "Europe/Berlin")]
    fn minute(run: Run) -> Result<()> {
        note("minute", run)
    }

    /// Counts, and takes its time. It runs when it is asked to.
    #[cron("0 0 1 1 *")]
    fn linger(run: Run) -> Result<()> {
        thread::sleep(Duration::from_secs(1));
        note("linger", run)
    }

    /// Counts, and fails: its count stays 0.
    #[every("1s")]
    fn fail(run: Run) -> Result<()> {
        note("fail", run)?;
        Err(Problem::conflict("it always fails").with_code("always"))
    }

    /// Counts, and panics: its count stays 0.
    #[every("1s")]
    #[expect(clippy::panic, reason = "a schedule that traps is a case of its own")]
    fn trap(run: Run) -> Result<()> {
        note("trap", run)?;
        panic!("it always traps");
    }

    /// Answers what is known of a schedule's runs.
    #[get("/runs/{handler}", public)]
    fn show_runs(Path(handler): Path<String>) -> Result<Json<Runs>> {
        let last_slot_ms = kv::bucket("slots").get_json(&handler)?.unwrap_or(0);
        let count = kv::bucket("runs").get_json(&handler)?.unwrap_or(0);
        Ok(Json(Runs { count, last_slot_ms }))
    }

    fn note(handler: &str, run: Run) -> Result<()> {
        kv::bucket("runs").increment(handler, 1)?;
        Ok(kv::bucket("slots").set_json(handler, &run.slot_ms)?)
    }
}
