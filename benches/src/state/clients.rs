//! Clients over HTTP/1.1 that ask to count, each on a connection of its own and with another key each time.
//!
//! `h2load` sends every client through its list of paths in the same order, so that all of them would ask for the same
//! key at once; these pick by chance. They run in one thread, as `h2load` does. No request is cut off at the end: each
//! is confirmed or failed, so that what was confirmed can be compared with what is stored.

use std::{io, rc::Rc};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
    task::LocalSet,
    time::timeout,
};

use super::tally::{Chance, Load, Tally, Window};
use crate::program::{PATIENCE, now};

/// Longest response that a client takes.
const RESPONSE_BYTES_MAX: usize = 64 << 10;

/// Asks `address` for `<mount>/bump/<key>` until the load's time is over.
pub(super) fn apply(address: &str, mount: &str, load: &Load) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        // All are connected before one of them asks.
        let ready = Rc::new(Barrier::new(load.clients));
        let clients: Vec<_> = (0..load.clients)
            .map(|number| {
                let client = Client { prefix: format!("POST {mount}/bump/"), address: address.to_owned(), number };
                tokio::task::spawn_local(client.run(*load, Rc::clone(&ready)))
            })
            .collect();
        let mut all = Tally::default();
        for client in clients {
            all.add(client.await??);
        }
        Ok(all)
    })
}

struct Client {
    /// The request's first line up to the key.
    prefix: String,
    address: String,
    number: usize,
}

impl Client {
    async fn run(self, load: Load, ready: Rc<Barrier>) -> anyhow::Result<Tally> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        ready.wait().await;
        let (window, mut chance) = (Window::open(&load), Chance::of(self.number));
        let (mut tally, mut response) = (Tally::default(), Vec::new());
        while !window.is_over() {
            let key = load.keys.pick(&mut chance);
            let request =
                format!("{}{key} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", self.prefix, self.address);
            let began = now();
            stream.write_all(request.as_bytes()).await?;
            let answered = timeout(PATIENCE, read_response(&mut stream, &mut response)).await;
            let status = answered.with_context(|| format!("no answer within {PATIENCE:?}"))??;
            tally.note(&window, began, status == 200);
        }
        Ok(tally)
    }
}

/// Reads one response into `buffer` and returns its status.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        if let Some(response) = Response::parse(buffer)? {
            anyhow::ensure!(response.length == buffer.len(), "more than one response came");
            return Ok(response.status);
        }
        anyhow::ensure!(buffer.len() < RESPONSE_BYTES_MAX, "the response is too long");
    }
}

/// A response that is complete.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    /// Headers and body together.
    length: usize,
}

impl Response {
    /// Reads what came so far; `None` while there is more to come.
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(head) = bytes.windows(END.len()).position(|window| window == END) else { return Ok(None) };
        let text = std::str::from_utf8(bytes.get(..head).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).context("a response begins with its status")?;
        let is_length = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("content-length");
        let (_, body) = lines
            .filter_map(|line| line.split_once(':'))
            .find(is_length)
            .with_context(|| format!("a response without a length: {text}"))?;
        let length = head + END.len() + body.trim().parse::<usize>()?;
        Ok((bytes.len() >= length).then_some(Self { status: status.parse()?, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn reads_a_response_once_it_is_whole() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nx: y\r\n\r\nok";
        for cut in 0..whole.len() {
            assert_eq!(Response::parse(&whole[..cut]).expect("HTTP"), None, "after {cut} bytes");
        }
        assert_eq!(Response::parse(whole).expect("HTTP"), Some(Response { status: 503, length: whole.len() }));
    }

    #[test]
    fn refuses_what_it_cannot_measure() {
        Response::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").expect_err("no length");
    }
}
