//! Counts the events of each key in its own keys, and fails and traps on the way as the events say: the subscriber of
//! the proofs of exactly-once.
//!
//! The events of a key are numbered from 1 on. So what comes twice, not at all, or in another order is seen when it
//! comes, and written down.

#[backplane_sdk::plugin(publishes("echo.*"))]
mod events_ledger {
    use std::{collections::BTreeMap, hint::black_box, thread, time::Duration};

    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    const COUNTS: kv::Bucket = kv::bucket("counts");
    const VIOLATIONS: kv::Bucket = kv::bucket("violations");
    const RETRIED: kv::Bucket = kv::bucket("retried");

    /// How long each event takes, in milliseconds. A test changes the digits in the built component.
    const SLOWNESS: &str = "slowness 0000 ms";

    /// One event of a key.
    #[derive(Clone, Deserialize, Serialize)]
    struct Entry {
        /// Its number, from 1.
        number: u64,
        /// In so many of a hundred cases an attempt fails. All of them do at 100.
        #[serde(default)]
        fails: u64,
        /// In so many it traps.
        #[serde(default)]
        traps: u64,
        /// Whether it is published again, by whoever counts it.
        #[serde(default)]
        echo: bool,
    }

    /// What is known of a key.
    #[derive(Default, Deserialize, Serialize)]
    struct Count {
        /// Events that were counted.
        seen: u64,
        /// The last one's number.
        last: u64,
    }

    /// What was counted, and what should not have come.
    #[derive(Serialize)]
    struct Report {
        counts: BTreeMap<String, Count>,
        violations: BTreeMap<String, String>,
        /// How many of the counted events had failed before.
        retried: u64,
    }

    /// Counts what publishers publish.
    #[on("ledger.*", attempts = 20)]
    fn count(event: Event<Entry>) -> Result<()> {
        let millis: u64 = black_box(SLOWNESS).split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        if millis > 0 {
            thread::sleep(Duration::from_millis(millis));
        }
        take("ledger", &event)?;
        if event.payload.echo {
            let key = event.key.as_deref().unwrap_or_default();
            let echo = Entry { echo: false, ..event.payload.clone() };
            events::topic("echo.counted").key(key).publish_json(&echo)?;
        }
        // Last of all: whatever stays of an attempt that fails would be seen.
        stumble(&event)
    }

    /// Counts what was counted.
    #[on("echo.*", attempts = 20)]
    fn count_echo(event: Event<Entry>) -> Result<()> {
        take("echo", &event)?;
        stumble(&event)
    }

    /// Answers what was counted.
    #[get("/", public)]
    fn show_report() -> Result<Json<Report>> {
        let (mut counts, mut violations) = (BTreeMap::new(), BTreeMap::new());
        for entry in COUNTS.list().json::<Count>() {
            let entry = entry?;
            counts.insert(entry.key, entry.value);
        }
        for entry in VIOLATIONS.list().text() {
            let entry = entry?;
            violations.insert(entry.key, entry.value);
        }
        Ok(Json(Report { counts, violations, retried: RETRIED.get_json("all")?.unwrap_or_default() }))
    }

    fn take(who: &str, event: &Event<Entry>) -> Result<()> {
        let key = format!("{who}/{}", event.key.as_deref().unwrap_or_default());
        let Count { seen, last } = COUNTS.get_json(&key)?.unwrap_or_default();
        let number = event.payload.number;
        if number != last + 1 {
            VIOLATIONS.set_text(&format!("{key}/{number}/{}", seen + 1), &format!("{number} came after {last}"))?;
        }
        COUNTS.set_json(&key, &Count { seen: seen + 1, last: number })?;
        if event.attempt > 1 {
            RETRIED.increment("all", 1)?;
        }
        Ok(())
    }

    /// Fails or traps by chance, which is another one with each attempt.
    fn stumble(event: &Event<Entry>) -> Result<()> {
        let Entry { fails, traps, .. } = event.payload;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in event.id.bytes().chain(event.attempt.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let chance = (hash ^ (hash >> 32)) % 100;
        assert!(chance < fails || chance >= fails + traps, "this attempt was to trap");
        if chance < fails {
            return Err(Problem::conflict("this attempt was to fail").retry_after(Duration::from_millis(5)));
        }
        Ok(())
    }
}
