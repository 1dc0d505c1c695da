//! Tests of the store as a whole: through [`Store`](crate::Store), on a database of their own.

mod batches;
mod closing;
mod collection;
mod conflicts;
mod failures;
mod fixture;
mod history;
mod increments;
mod other_process;
mod quotas;
mod readers;
mod replies;
mod serializability;
mod snapshots;
