//! `[events]`: the log of events, how long it keeps them, and who may do what with them.

use std::{ops::RangeInclusive, time::Duration};

use super::{events_access::EventsAccess, reader::Reader, state::BYTES_MAX, value::Size};

/// Settings of the log of events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsConfig {
    /// How long an event is kept that every subscription has handled. Default 7 days.
    pub retention: Duration,
    /// Bytes of events that are kept when every subscription has handled them. Default 1 GiB.
    pub retention_bytes: u64,
    /// Bytes of all events, those that wait for a subscription among them. Default 4 GiB.
    pub bytes_max: u64,
    /// Bytes of the events of one plugin or client. Default 1 GiB.
    pub bytes_per_source_max: u64,
    /// Streams of events that are followed at the same time. Default 1,024.
    pub streams_max: u32,
    /// Streams of one caller. Default 8.
    pub streams_per_caller_max: u32,
    /// Whether a subscriber's step is committed after its effects instead of with them. It exists only where debug
    /// assertions do, for the test that shows what comes of that.
    pub step_apart: bool,
    /// Who may publish, read and manage events over HTTP.
    pub access: EventsAccess,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(7 * 24),
            retention_bytes: 1 << 30,
            bytes_max: 4 << 30,
            bytes_per_source_max: 1 << 30,
            streams_max: 1024,
            streams_per_caller_max: 8,
            step_apart: false,
            access: EventsAccess::default(),
        }
    }
}

/// What the log may be bounded to. It holds the largest transaction at least.
const LOG_BYTES: RangeInclusive<Size> = Size::mib(16)..=BYTES_MAX;
/// How long events may be kept.
const RETENTION: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(3650 * 24);

/// The most streams that may be allowed.
const STREAMS_MAX: u32 = 100_000;

impl EventsConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let mut events = reader.section("events");
        let config = Self {
            retention: events.within("retention", default.retention, RETENTION),
            retention_bytes: events.within("retention_bytes", Size(default.retention_bytes), Size(0)..=BYTES_MAX).0,
            bytes_max: events.within("bytes_max", Size(default.bytes_max), LOG_BYTES).0,
            bytes_per_source_max: events
                .within("bytes_per_source_max", Size(default.bytes_per_source_max), LOG_BYTES)
                .0,
            streams_max: events.within("streams_max", default.streams_max, 1..=STREAMS_MAX),
            streams_per_caller_max: events.within(
                "streams_per_caller_max",
                default.streams_per_caller_max,
                1..=STREAMS_MAX,
            ),
            step_apart: cfg!(debug_assertions) && events.get("step_apart", default.step_apart),
            access: EventsAccess::read(&mut events),
        };
        // A log that is full before anything may be deleted would stay full.
        events.at_most("retention_bytes", &Size(config.retention_bytes), "bytes_max", &Size(config.bytes_max));
        events.close();
        config
    }
}
