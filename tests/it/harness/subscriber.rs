//! The fixture `events-ledger`, which counts events, and what the API says of those who wait for some.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Server, poll_while_changing, wait_until};

/// Events of one request that publishes many.
const BATCH: usize = 1000;

/// What a ledger has counted.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counted {
    /// By who counts and the events' key: `ledger/a`, `echo/a`.
    pub(crate) counts: BTreeMap<String, Count>,
    /// What came and should not have: twice, not at all, or in another order.
    pub(crate) violations: BTreeMap<String, String>,
    /// How many of the counted events had failed before.
    pub(crate) retried: u64,
}

/// What a ledger knows of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Count {
    /// How many events were counted.
    pub(crate) seen: u64,
    /// The number of the last one.
    pub(crate) last: u64,
}

impl Counted {
    /// Returns what a ledger that makes no mistake counts of so many events of each key.
    pub(crate) fn all_of(published: impl IntoIterator<Item = (String, u64)>) -> Self {
        let counts = published.into_iter().map(|(key, number)| (key, Count { seen: number, last: number }));
        Self { counts: counts.collect(), ..Self::default() }
    }

    /// Checks that everything was counted once, and returns how many of the events had failed before.
    #[track_caller]
    pub(crate) fn check(self, expected: &Self) -> u64 {
        let retried = self.retried;
        assert_eq!(&Self { retried: expected.retried, ..self }, expected);
        retried
    }

    /// Returns whether an event was counted that had been counted before.
    pub(crate) fn has_doubled(&self) -> bool {
        let numbers = |violation: &String| {
            let (number, last) = violation.split_once(" came after ")?;
            Some(number.parse::<u64>().ok()? <= last.parse().ok()?)
        };
        self.violations.values().any(|violation| numbers(violation) == Some(true))
    }

    /// Returns how many events were counted.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().map(|count| count.seen).sum()
    }
}

impl Server {
    /// Publishes an event as the administrator.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, key: &str, data: &Value) {
        let answer = self.send_json("POST", &format!("/api/events/{topic}?key={key}"), data);
        assert_eq!(answer.status, 202, "{}\n{}", answer.text(), self.log().join("\n"));
    }

    /// Publishes events, each with its key, in as few requests as it takes.
    #[track_caller]
    pub(crate) fn publish_all(&self, topic: &str, events: impl IntoIterator<Item = (String, Value)>) {
        let events = events
            .into_iter()
            .map(|(key, data)| json!({"specversion": "1.0", "type": topic, "partitionkey": key, "data": data}));
        let events: Vec<_> = events.collect();
        for batch in events.chunks(BATCH) {
            let request = self.request("POST", "/api/events");
            let request = request.header("content-type", "application/cloudevents-batch+json");
            let answer = self.receive(request.body(json!(batch).to_string()));
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
    }

    /// Returns what a ledger, by the plugin's name, has counted.
    #[track_caller]
    pub(crate) fn counted_by(&self, plugin: &str) -> Counted {
        let answer = self.get(&format!("/{plugin}"));
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), self.log().join("\n"));
        serde_json::from_value(answer.json()).expect("a ledger answers what it counted")
    }

    /// Waits until a ledger has counted so many events, however long that takes as long as it goes on counting.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, plugin: &str, events: u64) -> Counted {
        let look = || {
            let counted = self.counted_by(plugin);
            if counted.total() >= events { Ok(counted) } else { Err(counted) }
        };
        poll_while_changing(look).unwrap_or_else(|counted| {
            panic!("{plugin} counted {} of {events}: {counted:?}\n{}", counted.total(), self.log().join("\n"))
        })
    }

    /// Returns a subscription as the API shows it.
    #[track_caller]
    pub(crate) fn subscription(&self, plugin: &str, pattern: &str) -> Value {
        let list = self.get("/api/subscriptions").json();
        let entries = list["subscriptions"].as_array().expect("a list");
        let found = entries.iter().find(|entry| entry["plugin"] == plugin && entry["pattern"] == pattern);
        found.unwrap_or_else(|| panic!("no subscription of {plugin} to {pattern} in {list}")).clone()
    }

    /// Waits until nothing waits for a subscription.
    #[track_caller]
    pub(crate) fn wait_until_nothing_waits(&self, plugin: &str, pattern: &str) {
        wait_until(&format!("nothing to wait for {plugin}"), || self.subscription(plugin, pattern)["lag"] == 0);
    }

    /// Returns all dead letters.
    #[track_caller]
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        let list = self.get("/api/dead-letters").json();
        list["dead_letters"].as_array().expect("a list").clone()
    }
}
