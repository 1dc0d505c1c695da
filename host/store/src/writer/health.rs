//! Whether the database can be written, as far as the last batch tells.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::error::Source;

/// Whether the database can be written.
#[derive(Debug, Clone)]
pub enum Health {
    /// The last batch was written, or there was none yet.
    Writable,
    /// The last batch failed. The writer tries anew every second until one is written.
    Failing {
        /// When it began.
        since: Instant,
        /// What was said last.
        reason: Source,
    },
}

/// The health, as the writer notes it and others look at it.
#[derive(Debug)]
pub(crate) struct HealthCell(Mutex<Health>);

impl HealthCell {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Health::Writable))
    }

    pub(crate) fn get(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_failing(&self) -> bool {
        matches!(self.get(), Health::Failing { .. })
    }

    /// Returns whether that is news.
    pub(super) fn note_success(&self) -> bool {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_failing = matches!(*health, Health::Failing { .. });
        *health = Health::Writable;
        was_failing
    }

    /// Returns whether that is news.
    pub(super) fn note_failure(&self, reason: Source) -> bool {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, is_news) = match &*health {
            Health::Failing { since, .. } => (*since, false),
            Health::Writable => (Instant::now(), true),
        };
        *health = Health::Failing { since, reason };
        is_news
    }
}
