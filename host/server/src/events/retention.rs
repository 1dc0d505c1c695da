//! How long events are kept: the operator's word, step by step.
//!
//! What a subscription has not handled is kept whatever the word says; then the log says once who it is for.

use backplane_store::{
    Store, StoreError,
    events::{CollectedEvents, HeldBy, RetentionLimits},
};

use crate::config::EventsConfig;

/// Deletes events that are not to be kept.
#[derive(Debug)]
pub struct Retention {
    limits: RetentionLimits,
    /// The subscription that the last warning was about.
    warned: Option<i64>,
}

impl Retention {
    /// Keeps what `config` says.
    pub fn new(config: &EventsConfig) -> Self {
        let age_ms = i64::try_from(config.retention.as_millis()).unwrap_or(i64::MAX);
        Self { limits: RetentionLimits { age_ms, bytes: config.retention_bytes }, warned: None }
    }

    /// Deletes some of what is too old or too much at `now_ms`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn step(&mut self, store: &Store, now_ms: i64) -> Result<CollectedEvents, StoreError> {
        let collected = store.collect_events(self.limits, now_ms).await?;
        self.note(collected.held_by.as_ref());
        Ok(collected)
    }

    /// Warns of a subscription that holds the log back, when it is another one than before.
    fn note(&mut self, held_by: Option<&HeldBy>) -> bool {
        let before = std::mem::replace(&mut self.warned, held_by.map(|held| held.subscription));
        let Some(HeldBy { plugin, pattern, cursor, .. }) = held_by.filter(|held| before != Some(held.subscription))
        else {
            return false;
        };
        tracing::warn!(
            plugin,
            pattern,
            cursor,
            "events are kept for longer than `events.retention` and `events.retention_bytes` say: \
             this subscription has not handled them"
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_of_a_subscription_once_until_it_has_caught_up() {
        let held = |subscription| HeldBy { subscription, plugin: "a".into(), pattern: "*".into(), cursor: 1 };
        let mut retention = Retention::new(&EventsConfig::default());
        let warned = [Some(1), Some(1), Some(2), None, Some(2)].map(|id| retention.note(id.map(held).as_ref()));
        assert_eq!(warned, [true, false, true, false, true]);
    }
}
