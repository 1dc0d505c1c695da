//! A client that follows events (HTML, section 9.2), and how tests publish them.

use std::io::{BufRead as _, BufReader};

use reqwest::blocking::{RequestBuilder, Response};
use serde_json::Value;

use super::{Answer, Server};

/// A stream of events that is being read.
pub(crate) struct Stream(BufReader<Response>);

/// What came between two empty lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its `event`, `message` where there is none.
    pub(crate) event: String,
    /// Its `id`.
    pub(crate) id: Option<String>,
    /// Its `data`.
    pub(crate) data: Option<String>,
    /// Its comments.
    pub(crate) comments: Vec<String>,
}

impl Block {
    /// Returns its data as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let data = self.data.as_deref().unwrap_or_else(|| panic!("no data in {self:?}"));
        serde_json::from_str(data).unwrap_or_else(|error| panic!("not JSON ({error}): {data}"))
    }

    fn take(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "event" => self.event = value,
            "id" => self.id = Some(value),
            "data" => {
                assert_eq!(self.data, None, "an event has one line of data");
                self.data = Some(value);
            }
            "" => self.comments.push(value),
            "retry" => {}
            other => panic!("no field is called `{other}`"),
        }
    }
}

impl Stream {
    /// Follows, and waits for the greeting.
    #[track_caller]
    pub(crate) fn open(request: RequestBuilder) -> Self {
        match Self::try_open(request) {
            Ok(stream) => stream,
            Err(refusal) => panic!("{} {}", refusal.status, refusal.text()),
        }
    }

    /// Follows, or is refused.
    #[track_caller]
    pub(crate) fn try_open(request: RequestBuilder) -> Result<Self, Answer> {
        let response = request.send().expect("the server answers");
        if response.status() != 200 {
            return Err(Answer::receive(response).expect("the server answers"));
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("content-type"), Some("text/event-stream"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert!(header("x-request-id").is_some());
        let mut stream = Self(BufReader::new(response));
        let greeting = stream.read_block().expect("a greeting");
        assert_eq!(greeting.comments, ["following"], "{greeting:?}");
        Ok(stream)
    }

    /// Reads up to the next empty line; `None` where the stream ends.
    #[track_caller]
    pub(crate) fn read_block(&mut self) -> Option<Block> {
        let mut block = Block { event: "message".to_owned(), ..Block::default() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream can be read") == 0 {
                return None;
            }
            match line.trim_end_matches('\n') {
                "" => return Some(block),
                line => block.take(line),
            }
        }
    }

    /// Reads the next block that is more than a sign of life.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Block {
        loop {
            let block = self.read_block().expect("the stream goes on");
            if block.data.is_some() {
                return block;
            }
        }
    }

    /// Reads the next event, which must be one, and returns it with its place.
    #[track_caller]
    pub(crate) fn event(&mut self) -> (i64, Value) {
        let block = self.next();
        assert_eq!(block.event, "message", "{block:?}");
        let (id, event) = (block.id.clone().unwrap_or_default(), block.json());
        assert_eq!((&event["specversion"], event["sequence"].as_str()), (&"1.0".into(), Some(id.as_str())), "{event}");
        (id.parse().expect("a place is a number"), event)
    }

    /// Reads events and returns their data.
    #[track_caller]
    pub(crate) fn data(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.event().1["data"].clone()).collect()
    }
}

impl Server {
    /// Publishes JSON as the administrator, and returns the event's place.
    #[track_caller]
    pub(crate) fn put_event(&self, topic: &str, data: &Value) -> i64 {
        let answer = self.send_json("POST", &format!("/api/events/{topic}"), data);
        assert_eq!(answer.status, 202, "{}", answer.text());
        let answer = answer.json();
        answer["sequence"].as_i64().unwrap_or_else(|| panic!("no place in {answer}"))
    }

    /// Follows as the administrator.
    #[track_caller]
    pub(crate) fn follow(&self, query: &str) -> Stream {
        Stream::open(self.request("GET", &format!("/api/events/stream{query}")))
    }

    /// Returns the events of the log.
    #[track_caller]
    pub(crate) fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/events{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["events"].as_array().expect("events are a list").clone()
    }
}
