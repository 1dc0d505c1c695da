//! Does with its state what the request says, step by step, and answers with what each step saw.

#[backplane_sdk::plugin(timeout = "20s", cpu = "5s", concurrency = 256, response = "2MiB")]
mod script {
    use std::{hint, thread, time::Duration};

    use backplane_sdk::{Response, prelude::*};
    use serde::{Deserialize, Serialize};

    const BUCKET: kv::Bucket = kv::bucket("script");

    /// One step.
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Step {
        /// Reads a key.
        Get(String),
        /// Sets a key to a text.
        Set(String, String),
        /// Sets a key to a text, for some milliseconds.
        SetFor(String, String, u64),
        /// Deletes a key.
        Delete(String),
        /// Adds to a key without reading it.
        Increment(String, i64),
        /// Reads a number, and sets the key to it and this more.
        Add(String, i64),
        /// Lists the keys that start with this.
        List(String),
        /// Counts the keys that start with this.
        Count(String),
        /// Lists a page of the keys that start with the first text, after the second: how many, and the last.
        Page(String, Option<String>),
        /// Sets so many keys that start with this to so many bytes.
        Fill(String, u32, usize),
        /// Waits for some microseconds.
        Pause(u64),
        /// Says something in the log.
        Log(String),
        /// Answers with so many bytes in place of what was seen.
        Answer(usize),
        /// Adds a header to the answer, as it is.
        Header(String, String),
        /// Answers with this status.
        Status(u16),
        /// Answers with a problem, which says what was seen.
        Refuse,
        /// Panics.
        Panic,
        /// Computes for ever.
        Spin,
    }

    /// What a step saw.
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Seen {
        Nothing,
        Value(Option<String>),
        Number(i64),
        Entries(Vec<(String, String)>),
        Page(usize, Option<String>),
    }

    /// Steps in a query, as JSON.
    #[derive(Deserialize)]
    struct Steps {
        steps: String,
    }

    /// Runs steps that may write.
    #[post("/", public)]
    fn write(Json(steps): Json<Vec<Step>>) -> Result<Response> {
        run(steps)
    }

    /// Runs steps that may write, at a path for each name.
    #[put("/at/{name}", public)]
    fn write_at(Path(_name): Path<String>, Json(steps): Json<Vec<Step>>) -> Result<Response> {
        run(steps)
    }

    /// Runs steps that should not write.
    #[get("/", public)]
    fn read(Query(Steps { steps }): Query<Steps>) -> Result<Response> {
        run(serde_json::from_str(&steps)?)
    }

    /// Runs steps without a transaction.
    #[post("/none", public, transaction = "none")]
    fn do_without(Json(steps): Json<Vec<Step>>) -> Result<Response> {
        run(steps)
    }

    fn run(steps: Vec<Step>) -> Result<Response> {
        let (mut seen, mut headers, mut answer, mut status) = (Vec::new(), Vec::new(), None, None);
        for step in steps {
            match step {
                Step::Answer(bytes) => answer = Some("x".repeat(bytes)),
                Step::Header(name, value) => headers.push((name, value)),
                Step::Status(code) => status = Some(code),
                Step::Refuse => return Err(Problem::conflict(serde_json::to_string(&seen)?)),
                step => seen.push(take(step)?),
            }
        }
        let mut response = answer.map_or_else(|| Json(seen).into_response(), IntoResponse::into_response)?;
        response.headers.extend(headers);
        response.status = status.unwrap_or(response.status);
        Ok(response)
    }

    #[expect(clippy::panic, reason = "a panic discards what was written")]
    fn take(step: Step) -> Result<Seen> {
        match step {
            Step::Get(key) => return Ok(Seen::Value(BUCKET.get_text(&key)?)),
            Step::Set(key, value) => BUCKET.set_text(&key, &value)?,
            Step::SetFor(key, value, millis) => BUCKET.set_for(&key, value, Duration::from_millis(millis))?,
            Step::Delete(key) => BUCKET.delete(&key)?,
            Step::Increment(key, by) => BUCKET.increment(&key, by)?,
            Step::Add(key, by) => {
                let sum = BUCKET.get_json(&key)?.unwrap_or(0_i64) + by;
                BUCKET.set_json(&key, &sum)?;
                return Ok(Seen::Number(sum));
            }
            Step::List(prefix) => {
                let entries = BUCKET.list().prefix(prefix).text();
                let entries = entries.map(|entry| entry.map(|entry| (entry.key, entry.value)));
                return Ok(Seen::Entries(entries.collect::<Result<_, _>>()?));
            }
            Step::Count(prefix) => {
                let mut count = 0;
                for entry in BUCKET.list().prefix(prefix) {
                    entry?;
                    count += 1;
                }
                return Ok(Seen::Number(count));
            }
            Step::Page(prefix, after) => {
                let page = BUCKET.list().prefix(prefix).after(after).limit(1000).page()?;
                return Ok(Seen::Page(page.items.len(), page.next));
            }
            Step::Fill(prefix, keys, bytes) => {
                let value = vec![b'x'; bytes];
                for key in 0..keys {
                    BUCKET.set(&format!("{prefix}{key:07}"), &value)?;
                }
            }
            Step::Pause(micros) => thread::sleep(Duration::from_micros(micros)),
            Step::Log(text) => log::info!("{text}"),
            Step::Panic => panic!("the guest panicked on purpose"),
            Step::Spin => loop {
                hint::spin_loop();
            },
            Step::Answer(_) | Step::Header(..) | Step::Status(_) | Step::Refuse => {}
        }
        Ok(Seen::Nothing)
    }
}
