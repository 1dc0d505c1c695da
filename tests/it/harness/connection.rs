//! A client that sends bytes, and not requests: for what no HTTP library would send.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use super::{Answer, PATIENCE, Server};

/// One connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects.
    pub(crate) fn open(server: &Server) -> Self {
        Self::try_open(server.address()).expect("the server listens")
    }

    /// Connects to a server that may be gone.
    pub(crate) fn try_open(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// Sends bytes; the server may have hung up.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        let _gone = self.0.get_ref().shutdown(Shutdown::Write);
    }

    /// Sends a request and reads its answer, unless the server is gone. `headers` are whole lines.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<Answer> {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{headers}\r\n");
        if self.send([head.as_bytes(), body].concat()) { self.try_read_answer() } else { None }
    }

    /// Reads until the server hangs up. Panics when it does not.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("the server keeps the connection open after {:?}", String::from_utf8_lossy(&bytes))
            }
            // A reset is the end too.
            _ => bytes,
        }
    }

    /// Reads one response with a `content-length`.
    #[track_caller]
    pub(crate) fn read_answer(&mut self) -> Answer {
        self.try_read_answer().expect("the server answers")
    }

    /// Reads one response, or finds the connection closed.
    #[track_caller]
    pub(crate) fn try_read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_until(b'\n', &mut head) {
                Ok(0) => return None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("no answer after {head:?}"),
                Err(_) => return None,
                Ok(_) => {}
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let split =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(split).collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).ok()?;
        Some(answer)
    }

    /// Sends one request on a connection of its own, and reads the answer.
    #[track_caller]
    pub(crate) fn exchange(server: &Server, request: impl AsRef<[u8]>) -> Answer {
        let mut connection = Self::open(server);
        connection.send(request);
        connection.read_answer()
    }

    /// Sends a GET for a request target that is written as it is.
    #[track_caller]
    pub(crate) fn get(server: &Server, target: &str) -> Answer {
        Self::exchange(server, format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address()))
    }
}
