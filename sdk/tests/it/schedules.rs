//! Functions that run by the clock, run by a test.

use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use backplane_sdk::{kv, testing};

#[backplane_sdk::plugin(publishes("shop.closed"))]
mod shop {
    use backplane_sdk::prelude::*;

    const DAYS: kv::Bucket = kv::bucket("days");

    #[config]
    struct Settings {
        #[default(2)]
        keep: usize,
    }

    #[every("5m")]
    fn fail() -> Result<()> {
        DAYS.set("lost", "")?;
        Err(Problem::conflict("not today"))
    }

    #[cron("0 20 * * MON-SAT", zone = "Europe/Berlin")]
    fn close_day(run: Run, Config(settings): Config<Settings>) -> Result<()> {
        DAYS.set_json("last", &run.slot_ms)?;
        DAYS.set_json("keep", &settings.keep)?;
        events::topic("shop.closed").publish_json(&run.slot_ms)?;
        Ok(())
    }

    /// Has the name that the dispatch uses itself.
    #[every("2d")]
    fn call(run: Run) -> Result<()> {
        DAYS.set_json("called", &run.slot_ms)?;
        Ok(())
    }

    #[every("1d")]
    fn answer(context: Context) -> Result<(), std::fmt::Error> {
        log::info!("{:?} {}", context.caller().map(|caller| caller.subject), context.mount());
        Ok(())
    }
}

const DAYS: kv::Bucket = kv::bucket("days");

#[test]
fn commits_what_a_run_did() {
    testing::advance_clock(Duration::from_hours(20));
    assert!(testing::run_schedule::<shop::Plugin>("close_day").is_ok());
    assert_eq!(DAYS.get_json("last"), Ok(Some(72_000_000)));
    assert_eq!(DAYS.get_json("keep"), Ok(Some(2)));
    assert_eq!(testing::published()[0].source, "/plugins/shop");
    let run = backplane_sdk::Run { schedule: 1, slot_ms: 72_000_000 };
    assert_eq!(run.slot(), SystemTime::UNIX_EPOCH + Duration::from_hours(20));
}

#[test]
fn runs_a_function_whatever_its_name() {
    assert!(testing::run_schedule::<shop::Plugin>("call").is_ok());
    assert_eq!(DAYS.get_json("called"), Ok(Some(0)));
}

#[test]
fn undoes_what_a_failed_run_did() {
    let problem = testing::run_schedule::<shop::Plugin>("fail").expect_err("it fails");
    assert_eq!((problem.code(), DAYS.get("lost")), ("conflict", Ok(None)));
    testing::set_state_quota(0, 0);
    let problem = testing::run_schedule::<shop::Plugin>("close_day").expect_err("there is no room");
    assert_eq!((problem.code(), testing::published().len()), ("quota_exceeded", 0));
}

#[test]
fn runs_for_nobody() {
    testing::set_caller(backplane_sdk::Principal::new("ada", []));
    assert!(testing::run_schedule::<shop::Plugin>("answer").is_ok());
    assert_eq!(testing::take_logs()[0].message, "None /shop");
    assert!(catch_unwind(|| testing::run_schedule::<shop::Plugin>("close")).is_err());
}
