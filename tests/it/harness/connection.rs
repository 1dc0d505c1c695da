//! A client that sends bytes, and not requests: for what no HTTP library would send.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream},
};

use rustix::{
    net::{AddressFamily, SocketType, bind, connect, socket},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::{Answer, PATIENCE, Server};

/// One connection.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects.
    pub(crate) fn open(server: &Server) -> Self {
        Self::try_open(server.address()).expect("the server listens")
    }

    /// Connects from an address of this machine: it has all that begin with 127.
    #[track_caller]
    pub(crate) fn open_from(server: &Server, address: Ipv4Addr) -> Self {
        let to: SocketAddr = server.address().parse().expect("the server says an address and a port");
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is to be had");
        bind(&socket, &SocketAddrV4::new(address, 0)).expect("it is an address of this machine");
        connect(&socket, &to).expect("the server listens");
        Self::of(TcpStream::from(socket))
    }

    /// Connects to a server that may be gone.
    pub(crate) fn try_open(address: &str) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::of)
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        // On a connection that the server has reset this fails, and it is no matter.
        let _reset = stream.set_nodelay(true);
        Self(BufReader::new(stream))
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

    /// Reads whatever comes next.
    pub(crate) fn read_some(&mut self) {
        let _gone = self.0.fill_buf();
    }

    /// Reads a response that ends by itself, in chunks, up to the last one.
    #[track_caller]
    pub(crate) fn read_chunks(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            assert_ne!(self.0.read_until(b'\n', &mut bytes).expect("the response goes on"), 0, "cut short");
        }
        bytes
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

/// Lets this process have as many connections as the system allows.
pub(crate) fn raise_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may be the hard one");
}
