//! Every event of every plugin and client, kept for some time and looked up by administrators.
//!
//! One subscription to everything, and one route. `entry` knows what is kept of an event, `journal` where it lies and how
//! it is searched.

#![forbid(unsafe_code)]

mod entry;
mod journal;

#[backplane_sdk::plugin(timeout = "5s")]
mod audit_log {
    use std::time::Duration;

    use backplane_sdk::prelude::*;

    use crate::entry::Entry;
    use crate::journal::{self, Search};

    const DAY: Duration = Duration::from_hours(24);

    #[config]
    struct Settings {
        /// Days that an event is kept for.
        #[default(30)]
        days: u32,
        /// Bytes of a payload that are kept.
        #[default(1024)]
        payload_bytes: usize,
    }

    /// Keeps an event.
    #[on("*")]
    fn keep_event(event: Event<Bytes>, Config(settings): Config<Settings>) -> Result<()> {
        let entry = Entry::of(event, settings.payload_bytes);
        journal::keep(&entry, DAY.saturating_mul(settings.days))
    }

    /// Lists events, the newest first.
    #[get("/", roles("admin"))]
    fn list_events(Query(search): Query<Search>) -> Result<Json<kv::Page<Entry>>> {
        journal::search(&search).map(Json)
    }
}

#[cfg(test)]
mod tests;
