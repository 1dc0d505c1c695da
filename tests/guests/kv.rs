//! What state does for a plugin, case by case: the same table on a real host and on the SDK's double of it.
//!
//! `GET /cases` names every case and its steps; a step is one request, sent in the order of the table. `tests/it` sends
//! them to a server, and `sdk/tests` to the plugin on the double. Every case has a bucket of its own.

// Shared with the SDK's tests, where this file is a module and not the root of a crate.
#[path = "kv/case.rs"]
mod case;
#[path = "kv/counters.rs"]
mod counters;
#[path = "kv/limits.rs"]
mod limits;
#[path = "kv/lists.rs"]
mod lists;
#[path = "kv/outcomes.rs"]
mod outcomes;
#[path = "kv/values.rs"]
mod values;

/// Answers the cases.
#[backplane_sdk::plugin(cpu = "10s", timeout = "30s", memory = "64MiB")]
pub(crate) mod kv {
    use backplane_sdk::prelude::*;

    use super::case::{self, Listed, Route};

    /// State is not there when an instance starts.
    #[init]
    fn start() -> Result<()> {
        let bucket = kv::bucket("init");
        case::expect(bucket.get("key"), Err(kv::Error::NoTransaction))?;
        case::expect(bucket.set("key", ""), Err(kv::Error::NoTransaction))
    }

    /// Names every case and its steps.
    #[get("/cases", public, transaction = "none")]
    fn list_cases() -> Json<Vec<Listed>> {
        Json(case::list())
    }

    /// Runs a step that reads and writes.
    #[post("/write/{case}/{step}", public)]
    fn run_write(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::Write, &case, step)
    }

    /// Runs a step that only reads.
    #[get("/read/{case}/{step}", public)]
    fn run_read(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::Read, &case, step)
    }

    /// Runs a step that only reads, although it is a POST.
    #[post("/query/{case}/{step}", public, transaction = "read")]
    fn run_query(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::Query, &case, step)
    }

    /// Runs a step without a transaction.
    #[post("/none/{case}/{step}", public, transaction = "none")]
    fn run_none(Path((case, step)): Path<(String, usize)>) -> Result<NoContent> {
        case::run(Route::None, &case, step)
    }
}
