//! A client over HTTP/1.1 that keeps its connection and waits for each answer, for many of them in one thread.

use std::io;

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::program::PATIENCE;

/// Longest response that a client takes.
const RESPONSE_BYTES_MAX: usize = 256 << 10;

/// One connection.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: TcpStream,
    /// What came of the response.
    response: Vec<u8>,
}

impl Caller {
    /// Connects.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, response: Vec::new() })
    }

    /// Sends a whole request, and returns the status of its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        let answered = timeout(PATIENCE, self.read_response()).await;
        answered.with_context(|| format!("no answer within {PATIENCE:?}"))?
    }

    async fn read_response(&mut self) -> anyhow::Result<u16> {
        self.response.clear();
        loop {
            if self.stream.read_buf(&mut self.response).await? == 0 {
                bail!(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            if let Some(response) = Response::parse(&self.response)? {
                anyhow::ensure!(response.length == self.response.len(), "more than one response came");
                return Ok(response.status);
            }
            anyhow::ensure!(self.response.len() < RESPONSE_BYTES_MAX, "the response is too long");
        }
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
