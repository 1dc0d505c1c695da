//! Handles events badly: traps, exits, computes or sleeps without end, takes all memory, publishes too much. Each time it
//! has written and published before, so that what stays of it is seen.

#[backplane_sdk::plugin(publishes("attack.*", "calm", "trace"), memory = "16MiB", timeout = "500ms", cpu = "100ms")]
mod events_attacks {
    use std::{process::exit, thread, time::Duration};

    use backplane_sdk::prelude::*;
    use serde::Serialize;

    /// Attempts by topic, and those that were counted although nothing of them may stay.
    const COUNTS: kv::Bucket = kv::bucket("counts");
    const TRACES: kv::Bucket = kv::bucket("traces");

    /// What a handler sees of the call that it runs in.
    #[derive(Serialize)]
    struct Seen {
        trace_parent: Option<String>,
        has_caller: bool,
        remaining_ms: u128,
    }

    /// Does what the topic says.
    #[on("attack.*", attempts = 2)]
    fn attack(event: Event<Text>) -> Result<()> {
        COUNTS.increment(&event.topic, 1)?;
        events::topic("calm").publish_text(event.topic.clone())?;
        if event.attempt > 1 {
            // The second attempt is quick to end, and for good.
            return Err(Problem::conflict("it was attacked once").with_code("attacked").fatal());
        }
        match event.topic.trim_start_matches("attack.") {
            "exit" => exit(0),
            "spin" => loop {
                std::hint::black_box(());
            },
            "sleep" => thread::sleep(Duration::from_secs(60)),
            "memory" => drop(std::hint::black_box(vec![1_u8; 64 << 20])),
            "flood" => loop {
                events::topic("calm").publish_text("x".repeat(100_000))?;
            },
            _ => {}
        }
        assert_ne!(event.topic, "attack.panic", "the topic says so");
        Ok(())
    }

    /// Counts what nobody attacks; what a failed attempt published would be counted here, too.
    #[on("calm")]
    fn stay_calm(event: Event<Text>) -> Result<()> {
        Ok(COUNTS.increment(&format!("calm/{}", event.payload.0), 1)?)
    }

    /// Notes what a handler sees of its call.
    #[on("trace")]
    fn note_trace(context: Context, event: Event<Text>) -> Result<()> {
        let remaining_ms = context.remaining().as_millis();
        let seen = Seen { trace_parent: context.trace_parent(), has_caller: context.caller().is_some(), remaining_ms };
        Ok(TRACES.set_json(&event.payload.0, &seen)?)
    }

    /// Publishes a text to a topic.
    #[post("/publish/{topic}/{text}", public)]
    fn publish(Path((topic, text)): Path<(String, String)>) -> Result<String> {
        Ok(events::topic(&topic).publish_text(text)?)
    }

    /// Answers how often something was counted.
    #[get("/counts/{*name}", public)]
    fn show_count(Path(name): Path<String>) -> Result<String> {
        Ok(COUNTS.get_text(&name)?.unwrap_or_else(|| "0".to_owned()))
    }

    /// Answers what a handler saw.
    #[get("/traces/{text}", public)]
    fn show_trace(Path(text): Path<String>) -> Result<String> {
        TRACES.get_text(&text)?.or_not_found("no event of this text was handled")
    }
}
