//! Which events a plugin publishes, and which it handles.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ManifestError, TopicPattern, check_length, read, unknown_fields};

/// Attempts of one event where the manifest says nothing.
const ATTEMPTS: u32 = 12;
/// Most attempts of one event.
const ATTEMPTS_MAX: u32 = 100;

/// Events that a plugin handles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Their topics; unique in the manifest.
    pub pattern: TopicPattern,
    /// Name of the guest's function, for logs; may be empty.
    pub handler: String,
    /// Attempts of one event before it is a dead letter, at least 1.
    pub attempts: u32,
}

#[derive(Deserialize)]
struct Raw {
    pattern: String,
    #[serde(default)]
    handler: String,
    attempts: Option<u32>,
}

const FIELDS: &[&str] = &["pattern", "handler", "attempts"];

/// Reads the manifest's `subscriptions`.
pub(super) fn read_all(values: Vec<Value>, warnings: &mut Vec<String>) -> Result<Vec<Subscription>, ManifestError> {
    let mut seen = HashSet::new();
    let mut subscriptions = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("subscriptions[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, FIELDS));
        let subscription = check(&place, read(place.clone(), value)?)?;
        if !seen.insert(subscription.pattern.clone()) {
            return Err(ManifestError::invalid(place, format!("lists `{}` a second time", subscription.pattern)));
        }
        subscriptions.push(subscription);
    }
    Ok(subscriptions)
}

/// Reads the manifest's `publishes`.
pub(super) fn read_publishes(texts: &[String]) -> Result<Vec<TopicPattern>, ManifestError> {
    let parse = |(at, text): (usize, &String)| {
        TopicPattern::parse(text).map_err(|reason| ManifestError::invalid(format!("publishes[{at}]"), reason))
    };
    texts.iter().enumerate().map(parse).collect()
}

fn check(place: &str, raw: Raw) -> Result<Subscription, ManifestError> {
    let Raw { pattern, handler, attempts } = raw;
    let pattern =
        TopicPattern::parse(&pattern).map_err(|reason| ManifestError::invalid(format!("{place}.pattern"), reason))?;
    check_length(&format!("{place}.handler"), &handler, 128)?;
    let attempts = attempts.unwrap_or(ATTEMPTS);
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        let reason = format!("is {attempts}, but must be 1 to {ATTEMPTS_MAX}");
        return Err(ManifestError::invalid(format!("{place}.attempts"), reason));
    }
    Ok(Subscription { pattern, handler, attempts })
}
