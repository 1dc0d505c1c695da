//! What a caller of the store is told when the database did not do its part.

use std::{error::Error, sync::Arc};

use diesel::result::ConnectionError;

/// What SQLite or the operating system said. The jobs of a failed batch share one.
pub type Source = Arc<dyn Error + Send + Sync>;

/// Why a job of the host was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too much waits for the writer. Nothing is written.
    #[error("the store is busy")]
    Busy,
    /// The database cannot be used now. Nothing is written.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    /// The writer ended before it said what came of the job.
    #[error("the store ended before it told the outcome")]
    Unknown,
}

/// Why a snapshot cannot be had, or not be read any more.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store cannot be read")]
pub struct SnapshotError(#[source] pub Source);

/// The store was closed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the store is closed")]
pub(crate) struct Closed;

/// A job panicked, and took its batch with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a job of the writer panicked: {0}")]
pub(crate) struct Panicked(pub(crate) String);

impl StoreError {
    pub(crate) fn closed() -> Self {
        Self::Unavailable(Arc::new(Closed))
    }
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<ConnectionError> for StoreError {
    fn from(error: ConnectionError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<SnapshotError> for StoreError {
    fn from(error: SnapshotError) -> Self {
        Self::Unavailable(error.0)
    }
}

impl From<diesel::result::Error> for SnapshotError {
    fn from(error: diesel::result::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<ConnectionError> for SnapshotError {
    fn from(error: ConnectionError) -> Self {
        Self(Arc::new(error))
    }
}
