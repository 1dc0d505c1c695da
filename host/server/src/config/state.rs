//! `[state]`: the database that holds what plugins keep.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    reader::Reader,
    value::{Size, words},
};

/// Settings of the store, and what a plugin may keep in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// When a commit counts as written. Default `full`.
    pub synchronous: Synchronous,
    /// Calls that read at the same time. Default: four for each processor, at least eight.
    pub readers: Option<u32>,
    /// Commits that wait to be written, all plugins together; one plugin has at most half of them. Default 1,024.
    pub commit_queue: u32,
    /// Keys of one plugin. Default 1,000,000.
    pub keys_max: u32,
    /// Buckets, keys and values of one plugin, with the answers that are kept for repeated requests. Default 256 MiB.
    pub bytes_max: u64,
    /// Length of the log beside the database at which calls that have read for long are ended. Default 1 GiB.
    pub log_bytes_max: u64,
    /// How long the answer to a request with an `Idempotency-Key` is kept. Default 24 h.
    pub idempotency_ttl: Duration,
}

/// When a commit counts as written (SQLite's `PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// When it is on the disk: a loss of power loses nothing that was answered.
    Full,
    /// When the operating system has it: a loss of power may lose the last answered commits, and no more.
    Normal,
    /// When the operating system has it, in whatever order: a loss of power may destroy the database.
    Off,
}

words!(Synchronous: "\"full\", \"normal\" or \"off\"", Full = "full", Normal = "normal", Off = "off");

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            readers: None,
            commit_queue: 1024,
            keys_max: 1_000_000,
            bytes_max: 256 << 20,
            log_bytes_max: 1 << 30,
            idempotency_ttl: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// The most that one plugin can be allowed to keep.
pub(super) const BYTES_MAX: Size = Size::mib(1 << 20);

/// What the log may be bounded to. It holds a batch at least.
const LOG_BYTES: RangeInclusive<Size> = Size::mib(16)..=BYTES_MAX;

impl StateConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let day = Duration::from_secs(24 * 60 * 60);
        let mut state = reader.section("state");
        let config = Self {
            synchronous: state.get("synchronous", default.synchronous),
            readers: state.optional_within("readers", 2..=1000),
            commit_queue: state.within("commit_queue", default.commit_queue, 2..=100_000),
            keys_max: state.get("keys_max", default.keys_max),
            bytes_max: state.within("bytes_max", Size(default.bytes_max), Size(0)..=BYTES_MAX).0,
            log_bytes_max: state.within("log_bytes_max", Size(default.log_bytes_max), LOG_BYTES).0,
            idempotency_ttl: state.within(
                "idempotency_ttl",
                default.idempotency_ttl,
                Duration::from_secs(1)..=30 * day,
            ),
        };
        state.close();
        config
    }
}
