//! An outside issuer on this machine, which answers for its key set as the test says.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use super::Forge;

/// Most bytes of an answer that does not end.
const FLOOD_BYTES_MAX: usize = 64 << 20;

/// What the issuer answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A key set with these keys.
    Keys(Vec<Value>),
    /// This, whatever it is: a status line, headers and a body.
    Text(String),
    /// Nothing, for as long as somebody waits.
    Silence,
    /// A key set that does not end.
    Flood,
}

/// A running issuer. Its thread ends with the tests.
pub(crate) struct Issuer {
    address: String,
    reply: Arc<Mutex<Reply>>,
    asked: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl Issuer {
    /// Starts an issuer with the key of `forge`.
    #[track_caller]
    pub(crate) fn start(forge: &Forge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let reply = Arc::new(Mutex::new(Reply::Keys(vec![forge.jwk()])));
        let issuer = Self { address, reply, asked: Arc::default(), taken: Arc::default() };
        let (reply, asked, taken) = (Arc::clone(&issuer.reply), Arc::clone(&issuer.asked), Arc::clone(&issuer.taken));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                asked.fetch_add(1, Ordering::SeqCst);
                let reply = reply.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let taken = Arc::clone(&taken);
                thread::spawn(move || answer(stream, &reply, &taken));
            }
        });
        issuer
    }

    /// Returns its name, which is its address.
    pub(crate) fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the configuration of a server that believes it: members of `staff` are clerks that read orders.
    pub(crate) fn config(&self) -> String {
        let name = self.name();
        format!(
            "[auth.external.company]\n\
             issuer = \"{name}\"\n\
             jwks_url = \"{name}/jwks\"\n\
             audiences = [\"shop\"]\n\
             algorithms = [\"ES256\"]\n\
             rules = [{{ claim = \"/groups\", value = \"staff\", roles = [\"clerk\"], scopes = [\"orders:read\"] }}]\n"
        )
    }

    /// Changes what it answers from now on.
    pub(crate) fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
    }

    /// Returns how often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Returns how many bytes were taken of answers that did not end.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Returns the claims of Alice, who is of the staff, at a moment.
    pub(crate) fn claims(&self, now: i64) -> Value {
        json!({"iss": self.name(), "aud": "shop", "sub": "alice", "iat": now, "exp": now + 3600, "groups": ["staff"]})
    }
}

fn answer(mut stream: TcpStream, reply: &Reply, taken: &AtomicUsize) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    // Whoever asked may be gone, and has seen enough then.
    let _gone = match reply {
        Reply::Keys(keys) => {
            let body = json!({ "keys": keys }).to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        }
        Reply::Text(text) => stream.write_all(text.as_bytes()),
        Reply::Silence => stream.read(&mut [0]).map(drop),
        Reply::Flood => flood(&mut stream, taken),
    };
}

fn flood(stream: &mut TcpStream, taken: &AtomicUsize) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"keys\":[")?;
    let part = [b' '; 4096];
    while taken.fetch_add(part.len(), Ordering::SeqCst) < FLOOD_BYTES_MAX {
        stream.write_all(&part)?;
    }
    Ok(())
}
