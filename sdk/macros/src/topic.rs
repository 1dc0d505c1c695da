//! Topics, and patterns that match them.
//!
//! A topic is 1 to 8 segments of `a-z`, `0-9`, `-` and `_` with dots between them. A pattern is a topic, a topic and `.*`
//! for everything below it, or `*`.

use syn::{Error, LitStr, Result};

const BYTES_MAX: usize = 128;
const SEGMENTS_MAX: usize = 8;
const SEGMENT_BYTES_MAX: usize = 64;

/// Reads a pattern, and says what to write instead of one that is none.
pub(crate) fn parse_pattern(text: &LitStr) -> Result<String> {
    let pattern = text.value();
    match fault(&pattern) {
        None => Ok(pattern),
        Some(fault) => Err(Error::new(text.span(), fault)),
    }
}

fn fault(pattern: &str) -> Option<String> {
    if pattern == "*" {
        return None;
    }
    let topic = pattern.strip_suffix(".*").unwrap_or(pattern);
    if topic.contains('*') {
        return Some(format!("in `{pattern}` a `*` is not the last segment: write a topic and `.*`, or `*` alone"));
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_segment = |segment: &str| !segment.is_empty() && segment.bytes().all(fits);
    if !topic.split('.').all(is_segment) {
        return Some(format!(
            "`{pattern}` is not a topic: write segments of `a-z`, `0-9`, `-` and `_` with dots between them, like \
             \"orders.created\", or \"orders.*\" for all below one"
        ));
    }
    let is_long = topic.len() > BYTES_MAX
        || topic.split('.').count() > SEGMENTS_MAX
        || topic.split('.').any(|segment| segment.len() > SEGMENT_BYTES_MAX);
    is_long.then(|| {
        format!(
            "a topic has at most {SEGMENTS_MAX} segments, {SEGMENT_BYTES_MAX} bytes in each and {BYTES_MAX} together"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn accepts_topics_and_stars_at_their_end() {
        let longest = format!("{}.{}", "a".repeat(64), "b".repeat(63));
        for pattern in ["*", "orders", "orders.created", "orders.*", "a.b.c.d.e.f.g.h.*", "0_-.x", &longest] {
            assert_eq!(fault(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn says_what_to_write_instead() {
        let too_long = format!("{}.{}", "a".repeat(64), "b".repeat(64));
        for (pattern, says) in [
            ("", "is not a topic"),
            ("orders.", "is not a topic"),
            (".*", "is not a topic"),
            ("Orders", "is not a topic"),
            ("a b", "is not a topic"),
            ("*.created", "not the last segment"),
            ("orders.*.*", "not the last segment"),
            ("orders*", "not the last segment"),
            ("a.b.c.d.e.f.g.h.i", "at most 8 segments"),
            (&"a".repeat(65), "at most 8 segments"),
            (&too_long, "at most 8 segments"),
        ] {
            assert!(fault(pattern).is_some_and(|fault| fault.contains(says)), "{pattern}");
        }
    }
}
