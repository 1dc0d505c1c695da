//! Counts under a key: what `cargo xtask bench state` asks for. The benchmark runs it with `instance = "fresh"`, too.

#[backplane_sdk::plugin(instance = "reused")]
mod kv_bench {
    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    const COUNTERS: kv::Bucket = kv::bucket("counters");

    /// What is stored under a key.
    #[derive(Default, Deserialize, Serialize)]
    struct Counter {
        /// How often it was asked to count.
        count: u64,
    }

    /// Reads a counter, adds one and writes it back.
    #[post("/bump/{key}", public)]
    fn bump_counter(Path(key): Path<String>) -> Result<Json<Counter>> {
        let mut counter: Counter = COUNTERS.get_json(&key)?.unwrap_or_default();
        counter.count += 1;
        COUNTERS.set_json(&key, &counter)?;
        Ok(Json(counter))
    }

    /// Answers what is stored under a key.
    #[get("/read/{key}", public)]
    fn show_counter(Path(key): Path<String>) -> Result<Bytes> {
        COUNTERS.get(&key)?.map(Bytes).or_not_found("nobody counted under this key")
    }

    /// Answers what looks the same, and reads nothing.
    #[get("/nothing/{key}", public)]
    fn show_nothing(Path(_key): Path<String>) -> Result<Bytes> {
        Ok(Bytes(br#"{"count":100000}"#.to_vec()))
    }
}
