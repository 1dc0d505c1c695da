//! A client that follows a topic live (server-sent events), on a thread of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    program::{PATIENCE, now},
    server::Server,
};

/// A connection that is followed. It ends with the value.
pub(super) struct Follower {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Follows a topic, and calls `heard` with what each event says and when that was heard.
    pub(super) fn start(
        server: &Server,
        topic: &str,
        heard: impl Fn(&Value, Instant) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(server.program.address())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let token = server.token()?;
        write!(
            stream,
            "GET /api/events/stream?topic={topic} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        )?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "the stream answered {line}");
        while line != "\r\n" {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "the stream ended within its headers");
        }
        let thread = thread::spawn(move || {
            let mut events = Events::default();
            // It ends when the connection does.
            while let Ok(Some(chunk)) = read_chunk(&mut reader) {
                let at = now();
                events.take(&chunk, |event| heard(event, at));
            }
        });
        Ok(Self { stream, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _gone = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Reads a chunk of a body (RFC 9112, section 7.1); `None` at the end.
fn read_chunk(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let length = usize::from_str_radix(line.trim(), 16).context("a chunk begins with its length")?;
    let mut chunk = vec![0; length + "\r\n".len()];
    reader.read_exact(&mut chunk)?;
    chunk.truncate(length);
    Ok((length > 0).then_some(chunk))
}

/// What came and was not a whole event yet.
#[derive(Default)]
struct Events(Vec<u8>);

impl Events {
    /// Takes a part of the stream, and hands on the data of every event that is whole.
    fn take(&mut self, part: &[u8], heard: impl Fn(&Value)) {
        const END: &[u8] = b"\n\n";
        self.0.extend_from_slice(part);
        while let Some(end) = self.0.windows(END.len()).position(|window| window == END) {
            let event: Vec<u8> = self.0.drain(..end + END.len()).collect();
            let text = String::from_utf8_lossy(&event);
            // Comments that keep the connection alive have no data.
            let data: String = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            if let Ok(value) = serde_json::from_str(&data) {
                heard(&value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    #[test]
    fn hears_whole_events_wherever_the_stream_is_cut() {
        let stream = b": keep-alive\n\nid: 1\ndata: {\"a\":1}\n\nid: 2\ndata: {\"a\":2}\n\ndata: {";
        for cut in 0..stream.len() {
            let (mut events, all) = (Events::default(), RefCell::new(Vec::new()));
            for part in [&stream[..cut], &stream[cut..]] {
                events.take(part, |event| all.borrow_mut().push(event.clone()));
            }
            assert_eq!(all.into_inner(), [json!({"a": 1}), json!({"a": 2})], "cut at {cut}");
        }
    }
}
