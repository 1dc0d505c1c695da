//! Topics, and patterns that match them.
//!
//! A topic is 1 to 8 segments with dots between them, 128 bytes at most; a segment is 1 to 64 of `a-z`, `0-9`, `_` and
//! `-`. A pattern is a topic; or a topic and `.*`, which matches every topic below it, at any depth, and not the topic
//! itself; or `*`, which matches all. A `*` stands at the end and nowhere else.

mod index;

use std::{fmt, sync::Arc};

pub(crate) use self::index::PatternIndex;

/// What an event is about: `orders.created`.
///
/// Cloning is cheap. A topic is safe in a path, a log line and a metric label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

/// Which topics a subscription takes: `orders.created`, `orders.*` or `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

/// The text is not a topic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a topic: use 1 to 8 segments of `a-z`, `0-9`, `_` and `-` with dots between them, 128 bytes at most"
)]
pub struct ParseTopicError(String);

/// The text is not a pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pattern: use a topic, a topic and `.*`, or `*`")]
pub struct ParsePatternError(String);

impl Topic {
    /// Longest topic in bytes.
    pub const BYTES_MAX: usize = 128;
    /// Most segments.
    pub const SEGMENTS_MAX: usize = 8;
    /// Longest segment in bytes.
    pub const SEGMENT_BYTES_MAX: usize = 64;

    /// Checks `text` and makes it a topic.
    ///
    /// # Errors
    /// When a character, a length or the number of segments is not allowed.
    pub fn new(text: &str) -> Result<Self, ParseTopicError> {
        let is_short = text.len() <= Self::BYTES_MAX && text.split('.').count() <= Self::SEGMENTS_MAX;
        if !is_short || !text.split('.').all(is_segment) {
            return Err(ParseTopicError(shown(text)));
        }
        Ok(Self(text.into()))
    }

    /// Returns the topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pattern {
    const ALL: &str = "*";
    const BELOW: &str = ".*";

    /// Checks `text` and makes it a pattern.
    ///
    /// # Errors
    /// When it is neither a topic, nor a topic and `.*`, nor `*`.
    pub fn new(text: &str) -> Result<Self, ParsePatternError> {
        let topic = text.strip_suffix(Self::BELOW).unwrap_or(text);
        if text != Self::ALL && Topic::new(topic).is_err() {
            return Err(ParsePatternError(shown(text)));
        }
        Ok(Self(text.into()))
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what it matches.
    pub fn shape(&self) -> Shape<'_> {
        if &*self.0 == Self::ALL {
            return Shape::All;
        }
        self.0.strip_suffix(Self::BELOW).map_or(Shape::Exact(&self.0), Shape::Below)
    }

    /// Returns whether it matches a topic.
    pub fn matches(&self, topic: &Topic) -> bool {
        match self.shape() {
            Shape::All => true,
            Shape::Exact(exact) => exact == topic.as_str(),
            Shape::Below(parent) => topic.0.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')),
        }
    }
}

/// What a pattern matches, for whoever asks a database instead of [`Pattern::matches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// Every topic.
    All,
    /// This topic.
    Exact(&'a str),
    /// Topics that begin with this and a dot: from `parent.` on and before `parent/`, in the order of bytes.
    Below(&'a str),
}

fn is_segment(segment: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=Topic::SEGMENT_BYTES_MAX).contains(&segment.len()) && segment.bytes().all(allowed)
}

/// Cuts what goes into a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text!(Topic);
text!(Pattern);

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        Topic::new(text).expect("a topic")
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    #[test]
    fn accepts_topics_up_to_their_bounds() {
        let longest = format!("{}.{}", "a".repeat(64), "b".repeat(63));
        for text in ["orders", "orders.created", "a.b.c.d.e.f.g.h", "0_-.x", &longest] {
            assert_eq!(Topic::new(text).map(|topic| topic.to_string()), Ok(text.to_owned()));
            assert!(Pattern::new(text).is_ok());
        }
    }

    #[test]
    fn refuses_every_other_topic() {
        let too_long = format!("{}.{}", "a".repeat(64), "b".repeat(64));
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A",
            "a b",
            "é",
            "*",
            "a.*",
            "a/b",
            "a.b.c.d.e.f.g.h.i",
            &"a".repeat(65),
            &too_long,
        ] {
            assert!(Topic::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_every_other_pattern() {
        for text in ["", "**", "*.a", "a.*.b", "a*", "a.b*", ".*", "*.*", "a.*.*", "a.**", "?"] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_matches_everything_below_and_nothing_else() {
        let matches = |text, of| pattern(text).matches(&topic(of));
        assert!(matches("*", "a") && matches("*", "a.b.c"));
        assert!(matches("a.b", "a.b") && !matches("a.b", "a.b.c") && !matches("a.b", "a"));
        assert!(matches("a.*", "a.b") && matches("a.*", "a.b.c"));
        assert!(!matches("a.*", "a") && !matches("a.*", "ab.c") && !matches("a.*", "b.a"));
        assert!(matches("a.b.*", "a.b.c.d") && !matches("a.b.*", "a.c"));
    }
}
