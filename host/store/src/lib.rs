//! Keeps what must outlive the process: plugins' keys and replies, events, versions, the operator's choices, accounts.
//!
//! One SQLite database, one thread that writes, many connections that read. A plugin reads from a [`Snapshot`] and hands
//! what it read and wants written to the writer as a [`Commit`]; the writer validates and writes many of them with one
//! wait for the disk.
//!
//! - Commits are serializable: their order is an order in which everything could have happened one after another.
//! - Who is told that something is written finds it on disk after a power cut ([`Synchronous::Full`]).
//! - Whoever waits for the writer is answered, whatever fails; and nothing waits in a line without a bound.
//! - What this process reads never makes the log beside the database grow over its bound.
//!
//! This crate does not know plugins' code, HTTP, or the time of day: time comes in as Unix milliseconds.

mod backup;
mod collect;
mod command;
mod commit;
mod connection;
mod error;
pub mod events;
mod export;
mod filesystem;
mod frontier;
mod host_readers;
pub mod identity;
mod keys;
mod lock;
mod migrate;
mod open_error;
mod open_snapshots;
mod options;
mod pending;
mod plugins;
mod range;
mod read_connection;
mod readers;
mod recent;
mod replies;
mod restore;
mod schema;
mod sequence;
mod size;
mod snapshot;
mod space;
mod statement;
mod store;
#[cfg(test)]
mod tests;
mod usage;
pub mod versions;
mod writer;

/// A connection, as what runs in [`Store::write`] and [`Store::read`] gets it.
pub use diesel::SqliteConnection as Connection;

pub use self::{
    backup::{BackupError, back_up},
    collect::Collected,
    command::{CommandStore, ExportError},
    commit::{Change, Commit, CommitError, Committed, KeyRead, KeyWrite, Mark, RangeRead, Resource, Seen},
    error::{SnapshotError, Source, StoreError},
    open_error::{OpenError, SqliteError},
    options::{StoreOptions, Synchronous},
    pending::Pending,
    range::{KeyRange, Order, Row, Rows},
    replies::{NewReply, Reply, ReplyKey},
    restore::{Existing, RestoreError, restore},
    snapshot::Snapshot,
    space::{Quota, Space},
    store::Store,
    usage::{Deleted, Usage},
    writer::{Health, Written},
};
