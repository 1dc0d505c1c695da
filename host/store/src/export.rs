//! What a plugin keeps, as JSON Lines: one key in each line, ordered by bucket and key.
//!
//! Pages are bounded in rows and bytes. Each is as the database was when it was read; who reads all of them in one
//! transaction gets one state.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use diesel::{connection::DefaultLoadingMode, dsl::min, prelude::*};
use serde::Serialize;

use crate::schema::kv;

/// Keys in a page at most.
const PAGE_ROWS_MAX: usize = 500;
/// Bytes after which a page takes no more. It takes one key at least.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// Where an export goes on: after this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    bucket: String,
    key: Vec<u8>,
}

/// A part of an export.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    /// Whole lines, each with its end.
    pub(crate) lines: Vec<u8>,
    /// Keys in them.
    pub(crate) rows: usize,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<Position>,
}

/// A line. What is not UTF-8 is written as base64, under another name.
#[derive(Serialize)]
struct Line<'a> {
    bucket: &'a str,
    #[serde(flatten)]
    key: Key<'a>,
    #[serde(flatten)]
    value: Value<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<i64>,
}

#[derive(Serialize)]
enum Key<'a> {
    #[serde(rename = "key")]
    Text(&'a str),
    #[serde(rename = "key_base64")]
    Bytes(String),
}

#[derive(Serialize)]
enum Value<'a> {
    #[serde(rename = "value")]
    Text(&'a str),
    #[serde(rename = "value_base64")]
    Bytes(String),
}

/// A key, its end, and its value.
type Row = (Vec<u8>, Option<i64>, Vec<u8>);

/// Returns the lines after a position, or from the beginning; what expired is left out.
pub(crate) fn read_page(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    after: Option<Position>,
    now_ms: i64,
) -> QueryResult<Page> {
    let mut page = Page::default();
    let mut position = match after {
        Some(position) => Some(position),
        None => first_bucket(connection, plugin_id, "")?,
    };
    while let Some(from) = position {
        let last = add_bucket(connection, plugin_id, &from, now_ms, &mut page)?;
        if page.is_full() {
            page.next = last;
            break;
        }
        position = first_bucket(connection, plugin_id, &from.bucket)?;
    }
    Ok(page)
}

/// Returns the position before all keys of the first bucket after `bucket`. No key and no bucket is empty.
fn first_bucket(connection: &mut SqliteConnection, plugin_id: i64, bucket: &str) -> QueryResult<Option<Position>> {
    let later = kv::table.filter(kv::plugin_id.eq(plugin_id).and(kv::bucket.gt(bucket)));
    let next: Option<String> = later.select(min(kv::bucket)).first(connection)?;
    Ok(next.map(|bucket| Position { bucket, key: Vec::new() }))
}

/// Adds keys of one bucket until there are no more or the page is full, and returns the position after the last.
fn add_bucket(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    from: &Position,
    now_ms: i64,
    page: &mut Page,
) -> QueryResult<Option<Position>> {
    let lives = kv::expires_at_ms.is_null().or(kv::expires_at_ms.assume_not_null().gt(now_ms));
    let rows = kv::table
        .filter(kv::plugin_id.eq(plugin_id).and(kv::bucket.eq(&from.bucket)).and(kv::key.gt(&from.key)))
        .filter(lives)
        .order(kv::key)
        .select((kv::key, kv::expires_at_ms, kv::value))
        .load_iter::<Row, DefaultLoadingMode>(connection)?;
    let mut last = None;
    for row in rows {
        let (key, expires_at_ms, value) = row?;
        page.add(&from.bucket, &key, expires_at_ms, &value)?;
        last = Some(key);
        if page.is_full() {
            break;
        }
    }
    Ok(last.map(|key| Position { bucket: from.bucket.clone(), key }))
}

impl Page {
    fn add(&mut self, bucket: &str, key: &[u8], expires_at_ms: Option<i64>, value: &[u8]) -> QueryResult<()> {
        let key = str::from_utf8(key).map_or_else(|_| Key::Bytes(BASE64_STANDARD.encode(key)), Key::Text);
        let value = str::from_utf8(value).map_or_else(|_| Value::Bytes(BASE64_STANDARD.encode(value)), Value::Text);
        serde_json::to_writer(&mut self.lines, &Line { bucket, key, value, expires_at_ms })
            .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        self.lines.push(b'\n');
        self.rows += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows >= PAGE_ROWS_MAX || self.lines.len() >= PAGE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{migrate::migrated, plugins::get_or_create_id};

    fn set(connection: &mut SqliteConnection, id: i64, bucket: &str, key: &[u8], value: &[u8]) -> QueryResult<()> {
        diesel::insert_into(kv::table)
            .values((
                kv::plugin_id.eq(id),
                kv::bucket.eq(bucket),
                kv::key.eq(key),
                kv::version.eq(1),
                kv::value.eq(value),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn pages(connection: &mut SqliteConnection, id: i64, now_ms: i64) -> QueryResult<Vec<Page>> {
        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let page = read_page(connection, id, after, now_ms)?;
            after = page.next.clone();
            pages.push(page);
            if after.is_none() {
                return Ok(pages);
            }
        }
    }

    fn text(pages: &[Page]) -> String {
        let lines: Vec<u8> = pages.iter().flat_map(|page| page.lines.clone()).collect();
        String::from_utf8_lossy(&lines).into_owned()
    }

    #[test]
    fn writes_text_as_text_and_bytes_as_base64_in_order() -> QueryResult<()> {
        let mut connection = migrated();
        let (a, b) = (get_or_create_id(&mut connection, "a")?, get_or_create_id(&mut connection, "b")?);
        set(&mut connection, a, "orders", b"2", b"\xff\x00")?;
        set(&mut connection, a, "orders", "1\n\"ü\"".as_bytes(), b"{\"total\": 3}")?;
        set(&mut connection, a, "carts", b"\xfe", b"")?;
        set(&mut connection, b, "orders", b"1", b"not ours")?;
        let expected = r#"{"bucket":"carts","key_base64":"/g==","value":""}
{"bucket":"orders","key":"1\n\"ü\"","value":"{\"total\": 3}"}
{"bucket":"orders","key":"2","value_base64":"/wA="}
"#;
        assert_eq!(text(&pages(&mut connection, a, 0)?), expected);
        Ok(())
    }

    #[test]
    fn leaves_out_what_expired_and_says_when_the_rest_will() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        for (key, expires_at_ms) in [("gone", 100), ("last", 101)] {
            set(&mut connection, a, "b", key.as_bytes(), b"x")?;
            diesel::update(kv::table.find((a, "b", key.as_bytes())))
                .set(kv::expires_at_ms.eq(expires_at_ms))
                .execute(&mut connection)?;
        }
        let expected = "{\"bucket\":\"b\",\"key\":\"last\",\"value\":\"x\",\"expires_at_ms\":101}\n";
        assert_eq!(text(&pages(&mut connection, a, 100)?), expected);
        Ok(())
    }

    #[test]
    fn pages_are_bounded_in_rows_and_lose_and_double_none() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        let keys: Vec<_> = (0..1_200).map(|key| (format!("b{}", key / 300), format!("{key:05}"))).collect();
        for (bucket, key) in &keys {
            set(&mut connection, a, bucket, key.as_bytes(), b"")?;
        }
        let pages = pages(&mut connection, a, 0)?;
        assert_eq!(pages.iter().map(|page| page.rows).collect::<Vec<_>>(), [500, 500, 200]);
        let expected: String = keys
            .iter()
            .map(|(bucket, key)| format!("{{\"bucket\":\"{bucket}\",\"key\":\"{key}\",\"value\":\"\"}}\n"))
            .collect();
        assert_eq!(text(&pages), expected);
        Ok(())
    }

    #[test]
    fn pages_are_bounded_in_bytes_and_have_one_row_at_least() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        for key in ["1", "2", "3"] {
            set(&mut connection, a, "b", key.as_bytes(), &vec![b'x'; PAGE_BYTES_MAX])?;
        }
        let pages = pages(&mut connection, a, 0)?;
        assert_eq!(pages.iter().map(|page| page.rows).collect::<Vec<_>>(), [1, 1, 1, 0]);
        Ok(())
    }

    #[test]
    fn a_page_that_ends_with_its_bucket_goes_on_in_the_next() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        for key in 0..PAGE_ROWS_MAX {
            set(&mut connection, a, "first", format!("{key:05}").as_bytes(), b"")?;
        }
        set(&mut connection, a, "second", b"1", b"")?;
        let rows: Vec<_> = pages(&mut connection, a, 0)?.iter().map(|page| page.rows).collect();
        assert_eq!(rows, [500, 1]);
        Ok(())
    }

    #[test]
    fn nothing_kept_is_an_empty_page() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        assert_eq!(pages(&mut connection, a, 0)?, [Page::default()]);
        Ok(())
    }
}
