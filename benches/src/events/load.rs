//! Publishers, each on a connection of its own with one request at a time, all in one thread.
//!
//! No request is cut off at the end: each is confirmed or failed, so that what was confirmed can be compared with what is
//! stored. What the thread itself used of a processor is measured too: where that is all of one, the publishers were
//! what was measured, and not what they ask.

use rustix::time::{ClockId, clock_gettime};
use tokio::task::LocalSet;

use crate::{
    program::now,
    tally::{Figures, Span, Tally, Window},
};

/// Bytes of an event's payload, which is JSON.
const PAYLOAD_BYTES: usize = 256;

/// How hard and how long to publish.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Publishers.
    pub(super) clients: usize,
    /// Events of one request.
    pub(super) batch: usize,
    /// For how long.
    pub(super) span: Span,
}

/// What publishes on one connection.
pub(super) trait Publisher {
    /// Publishes what one request holds, and returns whether all of it was confirmed.
    async fn publish(&mut self) -> anyhow::Result<bool>;
}

/// What came of a load.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Rates and times of requests.
    pub(super) figures: Figures,
    /// Events that were confirmed, whenever.
    pub(super) confirmed: u64,
    /// Events of requests that were not.
    pub(super) failed: u64,
    /// Share of one processor that the publishers used.
    pub(super) clients_cpu: f64,
}

/// Returns a payload of [`PAYLOAD_BYTES`] that begins with these fields, which end with a comma.
pub(super) fn payload(fields: &str) -> String {
    const AROUND: usize = r#"{"padding":""}"#.len();
    let padding = "x".repeat(PAYLOAD_BYTES.saturating_sub(AROUND + fields.len()));
    format!("{{{fields}\"padding\":\"{padding}\"}}")
}

/// Connects all publishers, and lets them publish until the load's time is over.
pub(super) fn apply<P: Publisher + 'static>(
    load: &Load,
    connect: impl AsyncFn() -> anyhow::Result<P>,
) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut publishers = Vec::new();
        for _ in 0..load.clients {
            publishers.push(connect().await?);
        }
        let (started, cpu) = (now(), cpu_seconds());
        let running: Vec<_> =
            publishers.into_iter().map(|publisher| tokio::task::spawn_local(run(publisher, load.span))).collect();
        let mut all = Tally::default();
        for publisher in running {
            all.add(publisher.await??);
        }
        let clients_cpu = (cpu_seconds() - cpu) / started.elapsed().as_secs_f64();
        let events = load.batch as u64;
        let (confirmed, failed) = (all.confirmed * events, all.failed * events);
        Ok(Outcome { figures: all.figures(&load.span), confirmed, failed, clients_cpu })
    })
}

async fn run(mut publisher: impl Publisher, span: Span) -> anyhow::Result<Tally> {
    let (window, mut tally) = (Window::open(&span), Tally::default());
    while !window.is_over() {
        let began = now();
        let confirmed = publisher.publish().await?;
        tally.note(&window, began, confirmed);
    }
    Ok(tally)
}

/// Returns what this thread has used of a processor.
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Alternating(bool);

    impl Publisher for Alternating {
        async fn publish(&mut self) -> anyhow::Result<bool> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0 = !self.0;
            Ok(self.0)
        }
    }

    #[test]
    fn counts_events_and_not_requests() {
        let span = Span { warm_up: Duration::ZERO, duration: Duration::from_millis(50) };
        let load = Load { clients: 2, batch: 100, span };
        let outcome = apply(&load, async || Ok(Alternating(false))).expect("they publish");
        assert!(outcome.confirmed >= 200 && outcome.confirmed.is_multiple_of(100), "{outcome:?}");
        assert!(outcome.failed.abs_diff(outcome.confirmed) <= 200, "{outcome:?}");
        assert!(outcome.clients_cpu > 0.0, "{outcome:?}");
    }

    #[test]
    fn a_payload_is_json_of_its_length_whatever_it_says() {
        for fields in ["", r#""number":1,"#] {
            let payload = payload(fields);
            assert_eq!(payload.len(), PAYLOAD_BYTES);
            serde_json::from_str::<serde_json::Value>(&payload).expect("JSON");
        }
    }
}
