//! This server: events published over its API, and by a plugin's handler.
//!
//! A batch is one request to `POST /api/events`, or one call of a handler: one transaction either way.

use std::{fs, path::Path};

use anyhow::Context as _;
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt, sqlite::SqliteConnection,
};
use serde_json::{Value, json};

use super::load::{Load, Outcome, Publisher, apply, payload};
use crate::{Options, caller::Caller, disk::Disk, server::Server, store_counts::StoreCounts};

/// The plugin's name, which is its mount too.
pub(super) const PLUGIN: &str = "events-bench";

/// Nobody subscribes to this.
const TOPIC: &str = "bench.publish";

/// The log keeps all that a run publishes.
const CONFIG: &str = "[events]\nretention_bytes = \"64GiB\"\nbytes_max = \"64GiB\"\nbytes_per_source_max = \"64GiB\"\n";

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Clients, over the API.
    Http,
    /// A plugin's handler, which clients call.
    Handler,
}

/// A server that is published to.
#[derive(Debug)]
pub(super) struct Backplane {
    server: Server,
    way: Way,
}

/// How the plugin's instances are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One for each event.
    Fresh,
    /// One for many.
    Reused,
}

impl Mode {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Fresh, Self::Reused];

    /// Returns the name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Reused => "reused",
        }
    }
}

/// Starts a server with the plugin, on the measured disk.
pub(super) fn start(options: &Options, disk: &Disk, mode: Mode) -> anyhow::Result<Server> {
    let component = options.guests.join(format!("{PLUGIN}.wasm"));
    // The plugin itself asks for reused ones.
    let config = match mode {
        Mode::Fresh => format!("{CONFIG}[plugin.{PLUGIN}]\ninstance = \"fresh\"\n"),
        Mode::Reused => CONFIG.to_owned(),
    };
    Server::start_with(&options.server, &[&component], &config, tempfile::tempdir_in(disk.folder())?)
}

impl Backplane {
    /// Starts a server.
    pub(super) fn start(options: &Options, disk: &Disk, way: Way) -> anyhow::Result<Self> {
        Ok(Self { server: start(options, disk, Mode::Reused)?, way })
    }

    /// Applies a load.
    pub(super) fn measure(&self, load: &Load) -> anyhow::Result<Outcome> {
        let request = match self.way {
            Way::Http if load.batch == 1 => publish_request(self.server.token()?, TOPIC, &payload("")),
            Way::Http => batch_request(self.server.token()?, &vec![(TOPIC, None, payload("")); load.batch])?,
            Way::Handler => request(&format!("/{PLUGIN}/publish/{}", load.batch), "", "application/json", &payload("")),
        };
        let before = StoreCounts::read(&self.server)?;
        let mut outcome = apply(load, async || {
            let caller = Caller::open(self.server.program.address()).await?;
            Ok(HttpPublisher { caller, request: request.clone() })
        })?;
        outcome.figures.commits_per_fsync = StoreCounts::commits_per_fsync(before, StoreCounts::read(&self.server)?);
        Ok(outcome)
    }

    /// Stops the server, and returns how many of the events are in its log.
    pub(super) fn stop_and_count(self) -> anyhow::Result<u64> {
        let data = self.server.data();
        let _folder = self.server.stop();
        let mut database = open(&data)?;
        let query = sql_query(format!("SELECT count(*) AS number FROM events WHERE topic = '{TOPIC}'"));
        let Number { number } = query.get_result(&mut database)?;
        Ok(u64::try_from(number)?)
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn open(data: &Path) -> anyhow::Result<SqliteConnection> {
    let path = fs::canonicalize(data.join("backplane.sqlite"))?;
    SqliteConnection::establish(path.to_str().context("the database's path is not UTF-8")?)
        .context("the log's database")
}

/// Makes a request to publish one event.
pub(super) fn publish_request(token: &str, topic: &str, payload: &str) -> Vec<u8> {
    let authorization = format!("authorization: Bearer {token}\r\n");
    request(&format!("/api/events/{topic}"), &authorization, "application/json", payload)
}

/// Makes a request to publish events, each with a topic, a key and a payload.
pub(super) fn batch_request(token: &str, events: &[(&str, Option<&str>, String)]) -> anyhow::Result<Vec<u8>> {
    let event = |(topic, key, payload): &(&str, Option<&str>, String)| -> anyhow::Result<Value> {
        let mut event = json!({"topic": topic, "data": serde_json::from_str::<Value>(payload)?});
        if let (Some(fields), Some(key)) = (event.as_object_mut(), key) {
            fields.insert("key".to_owned(), json!(key));
        }
        Ok(event)
    };
    let body = Value::Array(events.iter().map(event).collect::<anyhow::Result<_>>()?);
    let authorization = format!("authorization: Bearer {token}\r\n");
    Ok(request("/api/events", &authorization, "application/json", &body.to_string()))
}

fn request(path: &str, lines: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{lines}\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

struct HttpPublisher {
    caller: Caller,
    request: Vec<u8>,
}

impl Publisher for HttpPublisher {
    async fn publish(&mut self) -> anyhow::Result<bool> {
        Ok((200..300).contains(&self.caller.ask(&self.request).await?))
    }
}
