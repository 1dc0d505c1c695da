//! What is kept of an event.

use backplane_sdk::events::{Event, Payload};
use backplane_sdk::respond::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as it is stored and shown.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Entry {
    /// When it was published, in milliseconds since the Unix epoch.
    pub(crate) time_ms: u64,
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) source: String,
    content_type: String,
    /// Bytes of the whole payload.
    bytes: usize,
    /// JSON as it is where it is short enough, otherwise text: the beginning, and what is not UTF-8 replaced.
    payload: Value,
}

impl Entry {
    /// Takes what is to be kept of an event.
    pub(crate) fn of(event: Event<Bytes>, payload_bytes_max: usize) -> Self {
        let Event { id, source, topic, key, content_type, payload: Bytes(payload), time_ms, .. } = event;
        let bytes = payload.len();
        let shown = shorten(&payload, payload_bytes_max);
        let json = if bytes <= payload_bytes_max { Value::read(&content_type, payload).ok() } else { None };
        Self { time_ms, id, topic, key, source, content_type, bytes, payload: json.unwrap_or(Value::String(shown)) }
    }
}

/// Returns the beginning of a payload as text.
fn shorten(payload: &[u8], bytes_max: usize) -> String {
    let text = String::from_utf8_lossy(payload.get(..bytes_max).unwrap_or(payload));
    // What was cut in the middle of a character ends before it.
    let is_cut = payload.len() > bytes_max;
    if is_cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned() } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(shorten("Zürich".as_bytes(), 2), "Z");
        assert_eq!(shorten("Zürich".as_bytes(), 3), "Zü");
        assert_eq!(shorten("Zürich".as_bytes(), 7), "Zürich");
        assert_eq!(shorten(b"a\xffb", 100), "a\u{fffd}b");
    }
}
