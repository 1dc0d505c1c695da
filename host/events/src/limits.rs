//! What the dispatcher bounds. The crate's documentation lists all bounds in one place.

use std::time::Duration;

use crate::retry::RetryPolicy;

/// What the dispatcher bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Subscriptions of all plugins. 4,096 by default.
    pub subscriptions: usize,
    /// Schedules of all plugins. 1,024 by default.
    pub schedules: usize,
    /// Runs of schedules on their way at once. 16 by default.
    pub schedule_runs: usize,
    /// Deliveries on their way at once, all subscriptions. Counted apart from requests. 64 by default.
    pub deliveries: usize,
    /// Deliveries on their way at once of one subscription. 16 by default.
    pub deliveries_per_subscription: usize,
    /// Events of one delivery. 32 by default; 1 where a subscriber cannot handle several in one transaction.
    pub events_per_delivery: usize,
    /// Bytes of the events of one delivery; a single larger event is a delivery of its own. 1 MiB by default.
    pub bytes_per_delivery: usize,
    /// Newest events that are kept in memory. 8,192 by default.
    pub window_events: usize,
    /// Bytes of them; the newest is kept whatever its size. 32 MiB by default.
    pub window_bytes: usize,
    /// Events of one subscription that failed or wait behind one that did. 10,000 by default.
    pub retries_per_subscription: usize,
    /// The same of all subscriptions; those of one plugin have half of it. 100,000 by default.
    pub retries: usize,
    /// Dead letters of one subscription at which it is paused. 10,000 by default.
    pub dead_letters_per_subscription: u64,
    /// Events that trap one after another, with none handled in between, at which a subscription is paused. 10 by
    /// default.
    pub traps: usize,
    /// When an event that failed is tried again.
    pub retry: RetryPolicy,
    /// Longest time without a look into the log. 5 s by default.
    pub tail_interval: Duration,
    /// How often the cursors of lanes in which nothing is for the subscription are written. 30 s by default.
    pub sweep_interval: Duration,
    /// First wait of a subscription that could not be served, for a reason that is not its events'; it doubles. 100 ms
    /// by default.
    pub postpone_base: Duration,
    /// Longest such wait. 5 s by default.
    pub postpone_cap: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscriptions: 4096,
            schedules: 1024,
            schedule_runs: 16,
            deliveries: 64,
            deliveries_per_subscription: 16,
            events_per_delivery: 32,
            bytes_per_delivery: 1 << 20,
            window_events: 8192,
            window_bytes: 32 << 20,
            retries_per_subscription: 10_000,
            retries: 100_000,
            dead_letters_per_subscription: 10_000,
            traps: 10,
            retry: RetryPolicy::default(),
            tail_interval: Duration::from_secs(5),
            sweep_interval: Duration::from_secs(30),
            postpone_base: Duration::from_millis(100),
            postpone_cap: Duration::from_secs(5),
        }
    }
}
