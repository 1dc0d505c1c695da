//! Topics of events, and patterns that match them.
//!
//! A topic is 1 to 8 segments with dots between them, 128 bytes at most; a segment is 1 to 64 of `a-z`, `0-9`, `_` and
//! `-`. A pattern is a topic; or a topic and `.*`, which matches every topic below it and not the topic itself; or `*`,
//! which matches all.

use std::fmt;

use serde::Serialize;

/// Longest topic in bytes.
const TOPIC_BYTES_MAX: usize = 128;
/// Most segments of a topic.
const SEGMENTS_MAX: usize = 8;
/// Longest segment in bytes.
const SEGMENT_BYTES_MAX: usize = 64;

/// Which topics: `orders.created`, `orders.*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TopicPattern(Box<str>);

/// Returns whether `text` is a topic.
pub(crate) fn is_topic(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_segment = |segment: &str| (1..=SEGMENT_BYTES_MAX).contains(&segment.len()) && segment.bytes().all(allowed);
    text.len() <= TOPIC_BYTES_MAX && text.split('.').count() <= SEGMENTS_MAX && text.split('.').all(is_segment)
}

impl TopicPattern {
    const ALL: &str = "*";
    const BELOW: &str = ".*";

    /// Checks `text`; the error is the end of a sentence about it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == Self::ALL || is_topic(text.strip_suffix(Self::BELOW).unwrap_or(text)) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(80).collect();
        Err(format!("is `{shown}`: use a topic of 1 to 8 segments of `a-z`, `0-9`, `_` and `-`, that and `.*`, or `*`"))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it matches `topic`.
    pub fn matches(&self, topic: &str) -> bool {
        match self.0.strip_suffix(Self::BELOW) {
            Some(parent) => topic.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')),
            None => &*self.0 == Self::ALL || &*self.0 == topic,
        }
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_topics_from_what_is_none() {
        let longest = format!("{}.{}", "a".repeat(64), "b".repeat(63));
        for text in ["orders", "orders.created", "a.b.c.d.e.f.g.h", "0_-.x", &longest] {
            assert!(is_topic(text) && TopicPattern::parse(text).is_ok(), "{text}");
        }
        let too_long = format!("{longest}b");
        for text in ["", ".", "a.", ".a", "a..b", "A", "a b", "é", "a.b.c.d.e.f.g.h.i", &"a".repeat(65), &too_long] {
            assert!(!is_topic(text) && TopicPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_at_the_end_and_matches_everything_below() {
        for text in ["**", "*.a", "a.*.b", "a*", "a.b*", ".*", "*.*", "a.*.*", "?"] {
            assert!(TopicPattern::parse(text).is_err(), "{text}");
        }
        let matches = |text, topic| TopicPattern::parse(text).expect("a pattern").matches(topic);
        assert!(matches("*", "a") && matches("*", "a.b.c"));
        assert!(matches("a.b", "a.b") && !matches("a.b", "a.b.c") && !matches("a.b", "a"));
        assert!(matches("a.*", "a.b") && matches("a.*", "a.b.c"));
        assert!(!matches("a.*", "a") && !matches("a.*", "ab.c") && !matches("a.*", "b.a"));
    }
}
