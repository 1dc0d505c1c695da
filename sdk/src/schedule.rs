//! Schedules: functions that run by the clock, with [`#[every]`](macro@crate::every) and
//! [`#[cron]`](macro@crate::cron).
//!
//! ```
//! #[backplane_sdk::plugin]
//! mod shop {
//!     use backplane_sdk::prelude::*;
//!
//!     /// Forgets baskets that nobody came back to.
//!     #[every("10m")]
//!     fn tidy_baskets() -> Result<()> {
//!         Ok(kv::bucket("baskets").delete("oldest")?)
//!     }
//!
//!     /// Notes when the shop was closed.
//!     #[cron("0 20 * * MON-SAT", zone = "Europe/Berlin", missed = "once")]
//!     fn close_day(run: Run) -> Result<()> {
//!         Ok(kv::bucket("days").set_json("last", &run.slot_ms)?)
//!     }
//! }
//!
//! use backplane_sdk::{kv, testing};
//! assert!(testing::run_schedule::<shop::Plugin>("close_day").is_ok());
//! assert!(kv::bucket("days").get("last").unwrap().is_some());
//! ```

use std::time::{Duration, SystemTime};

use crate::Result;
pub use crate::bindings::schedule::exports::backplane::plugin::schedule_handler::Run;
use crate::trigger::FromTrigger;

impl Run {
    /// Returns the time for which this run is. It runs at that time or later, and never twice for one.
    pub fn slot(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.slot_ms)
    }
}

impl FromTrigger<Run> for Run {
    fn from_trigger(run: &mut Run) -> Result<Self> {
        Ok(*run)
    }
}
