//! Asks more of its state than it may have, and leaves calls in every way there is after writing.

#[backplane_sdk::plugin(timeout = "30s", cpu = "2s", memory = "128MiB")]
mod kv_attacks {
    use std::{process, thread, time::Duration};

    use backplane_sdk::bindings::http::backplane::plugin::kv as host;
    use backplane_sdk::prelude::*;
    use serde::Serialize;

    const KEYS: kv::Bucket = kv::bucket("keys");

    /// Answers the integer that a key holds, 0 when there is none.
    #[get("/count/{key}", public)]
    fn show_count(Path(key): Path<String>) -> Result<Json<i64>> {
        Ok(Json(KEYS.get_json(&key)?.unwrap_or_default()))
    }

    /// Adds one by reading and writing: a hot key makes every call conflict.
    #[post("/bump/{key}", public)]
    fn bump(Path(key): Path<String>) -> Result<Json<i64>> {
        let count = KEYS.get_json::<i64>(&key)?.unwrap_or_default() + 1;
        KEYS.set_json(&key, &count)?;
        Ok(Json(count))
    }

    /// Adds one by `increment`, which never conflicts.
    #[post("/increment/{key}", public)]
    fn increment(Path(key): Path<String>) -> Result<NoContent> {
        KEYS.increment(&key, 1)?;
        Ok(NoContent)
    }

    /// Adds one by `increment`, and reads the sum.
    #[post("/increment-and-read/{key}", public)]
    fn increment_and_read(Path(key): Path<String>) -> Result<Json<Option<i64>>> {
        KEYS.increment(&key, 1)?;
        Ok(Json(KEYS.get_json(&key)?))
    }

    /// Adds one by reading and writing, with a sleep in between.
    #[post("/slow-bump/{key}/{millis}", public)]
    fn bump_slowly(Path((key, millis)): Path<(String, u64)>) -> Result<Json<i64>> {
        let count = KEYS.get_json::<i64>(&key)?.unwrap_or_default() + 1;
        log::info!("read {key}");
        thread::sleep(Duration::from_millis(millis));
        KEYS.set_json(&key, &count)?;
        Ok(Json(count))
    }

    /// Reads a key, sleeps, and reads it again and as a list: one call sees one state.
    #[get("/slow-count/{key}/{millis}", public)]
    fn show_count_slowly(Path((key, millis)): Path<(String, u64)>) -> Result<Json<[i64; 3]>> {
        let first = KEYS.get_json(&key)?.unwrap_or_default();
        log::info!("read {key}");
        thread::sleep(Duration::from_millis(millis));
        let second = KEYS.get_json(&key)?.unwrap_or_default();
        let listed = KEYS.list().prefix(key.as_str()).limit(1).json().page()?.items.pop();
        Ok(Json([first, second, listed.map_or(0, |entry| entry.value)]))
    }

    /// Writes so many keys in one call, each with a value of so many bytes.
    #[post("/fill/{prefix}/{keys}/{bytes}", public)]
    fn fill(Path((prefix, keys, bytes)): Path<(String, u32, usize)>) -> Result<NoContent> {
        let value = vec![b'x'; bytes];
        for number in 0..keys {
            KEYS.set(&format!("{prefix}/{number:06}"), &value)?;
        }
        Ok(NoContent)
    }

    /// Writes so many keys, each with a value of so many bytes, holds them for a while, and then wants none of it.
    #[post("/hold/{keys}/{bytes}/{millis}", public)]
    fn hold(Path((keys, bytes, millis)): Path<(u32, usize, u64)>) -> Result<NoContent> {
        fill(Path(("held".to_owned(), keys, bytes)))?;
        thread::sleep(Duration::from_millis(millis));
        Err(Problem::conflict("it was held for nothing"))
    }

    /// Tries to write so many keys, whatever it is told, and answers how many were taken.
    #[post("/insist/{prefix}/{keys}", public)]
    fn insist(Path((prefix, keys)): Path<(String, u32)>) -> Json<usize> {
        Json((0..keys).filter(|number| KEYS.set(&format!("{prefix}/{number:06}"), "").is_ok()).count())
    }

    /// Deletes what starts with a prefix, as much as one call may, and answers how much that was.
    #[delete("/fill/{prefix}", public)]
    fn clear(Path(prefix): Path<String>) -> Result<Json<usize>> {
        let mut count = 0;
        for entry in KEYS.list().prefix(format!("{prefix}/")).limit(10_000) {
            KEYS.delete(&entry?.key)?;
            count += 1;
        }
        Ok(Json(count))
    }

    /// What a whole list has.
    #[derive(Default, Serialize)]
    struct Counted {
        rows: usize,
        bytes: usize,
        pages: usize,
    }

    /// Lists everything, page by page.
    #[get("/rows", public)]
    fn count_rows() -> Result<Json<Counted>> {
        let mut counted = Counted::default();
        let mut after = None;
        loop {
            let page = KEYS.list().limit(1000).after(after).page()?;
            counted.rows += page.items.len();
            counted.bytes += page.items.iter().map(|entry| entry.key.len() + entry.value.len()).sum::<usize>();
            counted.pages += 1;
            after = page.next;
            if after.is_none() {
                return Ok(Json(counted));
            }
        }
    }

    /// Sets a key for so many milliseconds.
    #[put("/ttl/{key}/{millis}", public)]
    fn set_for(Path((key, millis)): Path<(String, u64)>) -> Result<NoContent> {
        KEYS.set_for(&key, "1", Duration::from_millis(millis))?;
        Ok(NoContent)
    }

    /// Answers a key, as long as its time is not over.
    #[get("/ttl/{key}", public)]
    fn show(Path(key): Path<String>) -> Result<String> {
        KEYS.get_text(&key)?.or_not_found("no such key")
    }

    /// Writes, and answers with a problem.
    #[post("/fail/{key}", public)]
    fn fail(Path(key): Path<String>) -> Result<NoContent> {
        KEYS.set(&key, "1")?;
        Err(Problem::conflict("not after all"))
    }

    /// Writes, and panics.
    #[post("/trap/{key}", public)]
    #[expect(clippy::panic, reason = "what becomes of the write is the question")]
    fn trap(Path(key): Path<String>) -> Result<NoContent> {
        KEYS.set(&key, "1")?;
        panic!("the guest panicked on purpose");
    }

    /// Writes, and exits.
    #[post("/exit/{key}", public)]
    fn exit(Path(key): Path<String>) -> Result<NoContent> {
        KEYS.set(&key, "1")?;
        process::exit(0);
    }

    /// Writes, and sleeps past the route's limit.
    #[post("/late/{key}", public, timeout = "200ms")]
    fn sleep_past_the_limit(Path(key): Path<String>) -> Result<NoContent> {
        KEYS.set(&key, "1")?;
        thread::sleep(Duration::from_secs(10));
        Ok(NoContent)
    }

    /// Writes, and answers more than a response may have.
    #[post("/long-answer/{key}/{bytes}", public)]
    fn answer_at_length(Path((key, bytes)): Path<(String, usize)>) -> Result<Bytes> {
        KEYS.set(&key, "1")?;
        Ok(Bytes(vec![b'x'; bytes]))
    }

    /// Writes, and answers with a header that is none.
    #[post("/broken-answer/{key}", public)]
    fn answer_wrongly(Path(key): Path<String>) -> Result<(Headers, NoContent)> {
        KEYS.set(&key, "1")?;
        Ok((Headers::from([("x-broken", "two\r\nlines")]), NoContent))
    }

    /// Sets a key of so many bytes.
    #[post("/key/{bytes}", public)]
    fn set_long_key(Path(bytes): Path<usize>) -> Result<NoContent> {
        KEYS.set(&"k".repeat(bytes), "1")?;
        Ok(NoContent)
    }

    /// Asks for so many keys with one call of the host, which the SDK would not do.
    #[get("/many/{keys}", public)]
    fn read_many(Path(keys): Path<usize>) -> Result<Json<usize>> {
        let values = host::get_many(KEYS.name(), &vec!["key".to_owned(); keys]).map_err(kv::Error::from)?;
        Ok(Json(values.len()))
    }

    /// Asks for a page as long as the host may be asked for, and answers how long it is.
    #[get("/longest-page", public)]
    fn list_longest_page() -> Result<Json<usize>> {
        let page = host::list(KEYS.name(), "", None, u32::MAX, host::Order::Descending).map_err(kv::Error::from)?;
        Ok(Json(page.entries.len()))
    }

    /// Calls the host with a bucket's name, a key, a prefix and a position of so many bytes.
    #[post("/names/{bytes}", public)]
    fn use_long_names(Path(bytes): Path<usize>) -> Json<[bool; 4]> {
        let name = "n".repeat(bytes);
        Json([
            host::set(&name, "key", b"", None).is_ok(),
            host::set(KEYS.name(), &name, b"", None).is_ok(),
            host::list(KEYS.name(), &name, None, 1, host::Order::Ascending).is_ok(),
            host::list(KEYS.name(), "", Some(&name), 1, host::Order::Ascending).is_ok(),
        ])
    }

    /// Reads for ever: a call is a chance to escape the meter.
    #[get("/endless-reads", public)]
    fn read_for_ever() -> Result<NoContent> {
        loop {
            KEYS.get("key")?;
        }
    }

    /// Lists for ever.
    #[get("/endless-lists", public)]
    fn list_for_ever() -> Result<NoContent> {
        loop {
            KEYS.list().limit(1000).page()?;
        }
    }

    /// Writes one key for ever.
    #[post("/endless-writes", public)]
    fn write_for_ever() -> Result<NoContent> {
        let value = vec![b'x'; 1 << 20];
        loop {
            KEYS.set("key", &value)?;
        }
    }
}
