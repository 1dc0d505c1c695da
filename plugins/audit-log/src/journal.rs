//! Where entries lie, and how they are searched.
//!
//! An entry's key begins with its time, so that a page of the bucket from its end is what happened last. A search goes
//! through the entries and not through an index: it looks at a bounded number of them, and says where to go on.

use std::time::Duration;

use backplane_sdk::{Problem, Result, kv};
use serde::Deserialize;

use crate::entry::Entry;

const ENTRIES: kv::Bucket = kv::bucket("entries");

/// Entries of a page when the client does not say.
const PAGE_ENTRIES_DEFAULT: usize = 20;
/// Most entries of a page.
const PAGE_ENTRIES_MAX: usize = 100;
/// Most entries that one search looks at.
const LOOKED_AT_MAX: usize = 2_000;
/// Longest source in a key of the bucket, in bytes, which is the longest of an event. With the time and an id that is
/// below the 512 bytes that a key may have.
const SOURCE_BYTES_MAX: usize = 256;
/// Longest id in a key of the bucket, in bytes.
const ID_BYTES_MAX: usize = 200;

/// Which entries to list.
#[derive(Default, Deserialize)]
pub(crate) struct Search {
    /// A topic, a topic and `.*`, or nothing for all.
    topic: Option<String>,
    key: Option<String>,
    source: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// How many, from 1 to 100.
    limit: Option<usize>,
}

/// Puts an entry there for a time. The same event lies in the same place.
pub(crate) fn keep(entry: &Entry, time: Duration) -> Result<()> {
    Ok(ENTRIES.set_json_for(&place(entry), entry, time)?)
}

/// Lists the entries that a search is for, the newest first. A page may be short and still have a `next`: then the search
/// has looked at so many entries that it stops there.
pub(crate) fn search(search: &Search) -> Result<kv::Page<Entry>> {
    let limit = search.limit.unwrap_or(PAGE_ENTRIES_DEFAULT);
    if !(1..=PAGE_ENTRIES_MAX).contains(&limit) {
        return Err(Problem::unprocessable("`limit` is from 1 to 100").with_code("invalid_limit"));
    }
    let mut page = kv::Page { items: Vec::new(), next: None };
    let newest_first = ENTRIES.list().descending().after(search.after.clone()).json::<Entry>();
    let mut last = None;
    for (looked_at, entry) in newest_first.enumerate() {
        if page.items.len() == limit || looked_at == LOOKED_AT_MAX {
            page.next = last;
            break;
        }
        let kv::Entry { key, value } = entry?;
        if search.is_for(&value) {
            page.items.push(value);
        }
        last = Some(key);
    }
    Ok(page)
}

impl Search {
    fn is_for(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(&self.key, entry.key.as_deref())
            && is(&self.source, Some(&entry.source))
            && self.topic.as_deref().is_none_or(|pattern| matches(pattern, &entry.topic))
    }
}

/// Returns whether a pattern matches a topic, as it does in `#[on]`.
fn matches(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(parent) => topic.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.')),
        None => pattern == "*" || pattern == topic,
    }
}

/// Returns the key of an entry: by its time, and then by what names the event for good.
fn place(entry: &Entry) -> String {
    let (id, source) = (shorten(&entry.id, ID_BYTES_MAX), shorten(&entry.source, SOURCE_BYTES_MAX));
    // Both may have a `/`: without the length, `a` of `b/c` and `a/b` of `c` would lie in one place. A key has no
    // U+0000, and an id of a client is any text.
    format!("{:014}/{:03}/{id}/{source}", entry.time_ms, id.len()).replace('\0', " ")
}

fn shorten(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{place, shorten};
    use crate::entry::Entry;

    fn place_of(id: &str, source: &str) -> String {
        let entry = json!({
            "time_ms": 1, "id": id, "topic": "a", "key": null, "source": source,
            "content_type": "text/plain", "bytes": 0, "payload": "",
        });
        place(&serde_json::from_value::<Entry>(entry).expect("an entry is read as it is written"))
    }

    #[test]
    fn keeps_every_event_in_a_place_of_its_own() {
        assert_eq!(place_of("a", "/b"), "00000000000001/001/a//b");
        assert_ne!(place_of("a", "b/c"), place_of("a/b", "c"));
        let longest = |end: &str| format!("{}{end}", "s".repeat(255));
        assert_ne!(place_of("a", &longest("1")), place_of("a", &longest("2")));
        assert!(place_of(&"i".repeat(300), &longest("1")).len() <= 512);
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!((shorten("Zürich", 2), shorten("Zürich", 3), shorten("a", 200)), ("Z", "Zü", "a"));
    }
}
