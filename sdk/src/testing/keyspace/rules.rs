//! What the contract allows in one call of `kv` or `events` and in one transaction (`wit/kv.wit`, `wit/events.wit`).

use serde::de::IgnoredAny;

use super::media_type::is_media_type;
use crate::bindings::http::backplane::plugin::events::{self, NewEvent};
use crate::bindings::http::backplane::plugin::kv::Error;
use crate::extract::is_json;

const BUCKET_BYTES_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 512;
const VALUE_BYTES_MAX: usize = 1 << 20;
const KEYS_MAX: usize = 100;
const VALUES_BYTES_MAX: usize = 8 << 20;

const TOPIC_BYTES_MAX: usize = 128;
const SEGMENTS_MAX: usize = 8;
const SEGMENT_BYTES_MAX: usize = 64;
const EVENT_KEY_BYTES_MAX: usize = 256;
const PAYLOAD_BYTES_MAX: usize = 256 << 10;

/// Most events that a transaction publishes.
pub(super) const EVENTS_MAX: usize = 1_000;
/// Most bytes of topics, keys, media types and payloads that a transaction publishes.
pub(super) const PUBLISHED_BYTES_MAX: usize = 4 << 20;

/// Most entries of a page.
pub(super) const PAGE_ENTRIES_MAX: u32 = 1000;
/// Most bytes of a page's keys and values, of which the first entry may have more.
pub(super) const PAGE_BYTES_MAX: usize = 1 << 20;

/// Most keys that a transaction writes.
pub(super) const WRITES_MAX: usize = 10_000;
/// Most bytes of keys and values that a transaction writes.
pub(super) const WRITTEN_BYTES_MAX: usize = 4 << 20;
/// Most keys that a writing transaction reads.
pub(super) const READS_MAX: usize = 10_000;
/// Most ranges that a writing transaction reads.
pub(super) const RANGES_MAX: usize = 1_000;

/// Bytes that an integer has at most as decimal text.
pub(super) const INTEGER_BYTES_MAX: usize = "-9223372036854775808".len();

pub(super) fn check_bucket(name: &str) -> Result<(), Error> {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = |c: char| is_first(c) || "._-".contains(c);
    if name.len() <= BUCKET_BYTES_MAX && name.starts_with(is_first) && name.chars().all(fits) {
        Ok(())
    } else {
        Err(Error::InvalidBucket)
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Error> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains('\0') { Ok(()) } else { Err(Error::InvalidKey) }
}

pub(super) fn check_keys(keys: &[String]) -> Result<(), Error> {
    if keys.len() > KEYS_MAX {
        return Err(Error::TransactionTooLarge);
    }
    keys.iter().try_for_each(|key| check_key(key))
}

/// Checks a prefix, or the key that a list begins after.
pub(super) fn check_position(position: &str) -> Result<(), Error> {
    if position.len() <= KEY_BYTES_MAX { Ok(()) } else { Err(Error::InvalidKey) }
}

pub(super) fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() <= VALUE_BYTES_MAX { Ok(()) } else { Err(Error::ValueTooLarge) }
}

/// Checks what is read with several keys at once.
pub(super) fn check_values(values: Vec<Option<Vec<u8>>>) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let bytes: usize = values.iter().flatten().map(Vec::len).sum();
    if bytes <= VALUES_BYTES_MAX { Ok(values) } else { Err(Error::TransactionTooLarge) }
}

/// Reads a value as the integer that `increment` counts.
pub(super) fn parse_integer(value: &[u8]) -> Result<i64, Error> {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Error::NotAnInteger)
}

/// Adds to a value, 0 when there is none.
pub(super) fn add(value: Option<&[u8]>, by: i64) -> Result<Vec<u8>, Error> {
    let sum = value.map_or(Ok(0), parse_integer)?.checked_add(by).ok_or(Error::NotAnInteger)?;
    Ok(sum.to_string().into_bytes())
}

pub(super) fn check_topic(topic: &str) -> Result<(), events::Error> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_segment = |segment: &str| (1..=SEGMENT_BYTES_MAX).contains(&segment.len()) && segment.bytes().all(fits);
    let is_short = topic.len() <= TOPIC_BYTES_MAX && topic.split('.').count() <= SEGMENTS_MAX;
    if is_short && topic.split('.').all(is_segment) { Ok(()) } else { Err(events::Error::InvalidTopic) }
}

/// Checks everything about an event that does not depend on who publishes it.
pub(super) fn check_event(event: &NewEvent) -> Result<(), events::Error> {
    check_topic(&event.topic)?;
    let is_key = |key: &String| (1..=EVENT_KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control);
    if !event.key.as_ref().is_none_or(is_key) {
        return Err(events::Error::InvalidKey);
    }
    if event.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(events::Error::PayloadTooLarge);
    }
    // As text: what is ignored is not looked at by its bytes.
    let is_json_text =
        |payload: &[u8]| str::from_utf8(payload).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let is_what_it_says = || !is_json(&event.content_type) || is_json_text(&event.payload);
    if is_media_type(&event.content_type) && is_what_it_says() { Ok(()) } else { Err(events::Error::InvalidContent) }
}

/// Returns whether a pattern matches a topic: itself, everything below it with `.*`, or everything with `*`.
pub(in crate::testing) fn matches(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(parent) => topic.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == "*" || pattern == topic,
    }
}
