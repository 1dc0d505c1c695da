//! Publishes and handles events: what `cargo xtask bench events` asks for. The benchmark runs it with
//! `instance = "fresh"`, too.

#[backplane_sdk::plugin(instance = "reused", publishes("bench.*"))]
mod events_bench {
    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    const KEYS: kv::Bucket = kv::bucket("keys");

    /// What is published, and padding.
    #[derive(Deserialize)]
    struct Work {
        /// Which event it is.
        #[serde(default)]
        number: u64,
        /// Whether somebody waits for word of it.
        #[serde(default)]
        probe: bool,
    }

    /// Word of an event that was handled.
    #[derive(Serialize)]
    struct Handled {
        number: u64,
    }

    /// Publishes the body so many times, to nobody.
    #[post("/publish/{count}", public)]
    fn publish(Path(count): Path<usize>, Bytes(body): Bytes) -> Result<(Status, NoContent)> {
        let event = events::topic("bench.publish").bytes("application/json", body);
        events::publish_many(&vec![event; count])?;
        Ok((Status::ACCEPTED, NoContent))
    }

    /// Writes one key.
    #[on("bench.work")]
    fn work(event: Event<Work>) -> Result<()> {
        let Work { number, probe } = event.payload;
        KEYS.set(event.key.as_deref().unwrap_or("none"), number.to_be_bytes())?;
        if probe {
            events::topic("bench.handled").publish_json(&Handled { number })?;
        }
        Ok(())
    }
}
