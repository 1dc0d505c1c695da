//! Tests of the store as a whole: through [`Store`](crate::Store), on a database of their own.

mod backups;
mod batches;
mod closing;
mod collection;
mod commands;
mod conflicts;
mod creations;
mod erasure;
mod failures;
mod fixture;
mod histories;
mod history;
mod identity;
mod increments;
mod log;
mod openings;
mod other_process;
mod quotas;
mod readers;
mod replies;
mod serializability;
mod snapshots;
