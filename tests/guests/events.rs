//! What events do for a plugin, case by case: the same table on a real host and on the SDK's double of it.
//!
//! `GET /cases` names every case and its steps; a step is one request, sent in the order of the table. Where a step says
//! `eventually`, whoever sends it lets events be delivered and sends it again until it is answered as the table says.
//! `tests/it` sends them to a server, and `sdk/tests` to the plugin on the double. Every case has a bucket and a topic of
//! its own; its handler adds what it has handled to the key `log`.

// Shared with the SDK's tests, where this file is a module and not the root of a crate.
#[path = "events/case.rs"]
mod case;
#[path = "events/deliveries.rs"]
mod deliveries;
#[path = "events/failures.rs"]
mod failures;
#[path = "events/limits.rs"]
mod limits;
#[path = "events/outcomes.rs"]
mod outcomes;

/// Answers the cases, and handles what they publish.
#[backplane_sdk::plugin(
    publishes("cases.*", "twice.both", "typed", "silent"),
    cpu = "10s",
    timeout = "30s",
    memory = "64MiB"
)]
pub(crate) mod events {
    use backplane_sdk::prelude::*;

    use super::case::{self, Listed, Route};
    use super::{deliveries, outcomes};

    /// Nothing can be published when an instance starts.
    #[init]
    fn start() -> Result<()> {
        let published = events::topic("silent").publish_text("");
        case::expect(published, Err(events::Error::NoTransaction))
    }

    /// Names every case and its steps.
    #[get("/cases", public, transaction = "none")]
    fn list_cases() -> Json<Vec<Listed>> {
        Json(case::list())
    }

    /// Runs a step that writes and publishes.
    #[post("/write/{case}/{step}", public)]
    fn run_write(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::Write, &case, step)
    }

    /// Runs a step that only reads.
    #[get("/read/{case}/{step}", public)]
    fn run_read(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::Read, &case, step)
    }

    /// Runs a step without a transaction.
    #[post("/none/{case}/{step}", public, transaction = "none")]
    fn run_none(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::None, &case, step)
    }

    /// Handles an event of a case as the case says.
    #[on("cases.*", attempts = 3)]
    fn handle(event: Event<Bytes>) -> Result<()> {
        case::handle(&event)
    }

    #[on("twice.*")]
    fn handle_below(event: Event<Text>) -> Result<()> {
        deliveries::note_pattern("below", &event.payload.0)
    }

    #[on("twice.both")]
    fn handle_exactly(event: Event<Text>) -> Result<()> {
        deliveries::note_pattern("exactly", &event.payload.0)
    }

    #[on("typed")]
    fn handle_numbers(event: Event<Vec<u32>>) -> Result<()> {
        outcomes::note_numbers(&event.payload)
    }
}
