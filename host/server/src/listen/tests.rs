//! The accept loop over real sockets.

use std::{fs, future::pending, net::Ipv4Addr};

use http_body_util::Full;
use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinHandle,
};
use tower::service_fn;

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    /// Requests that have arrived.
    arrived: Arc<Semaphore>,
    /// Permits for requests to `/wait` to be answered.
    answers: Arc<Semaphore>,
}

/// Starts a server that answers `ok` at once, or with a permit at `/wait`.
async fn start(http: HttpConfig) -> Server {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (arrived, answers) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (seen, permits) = (Arc::clone(&arrived), Arc::clone(&answers));
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, permits) = (Arc::clone(&seen), Arc::clone(&permits));
        async move {
            assert!(request.extensions().get::<Peer>().is_some(), "the request has a peer");
            seen.add_permits(1);
            if request.uri().path() == "/wait" {
                permits.acquire().await.expect("never closed").forget();
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let task = tokio::spawn(async move { serve(listener, None, service, &http, token).await });
    Server { address, shutdown, task, arrived, answers }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }
}

/// Reads until the server closes the connection.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = timeout(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response, whose body is `ok`.
async fn read_response(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0; 1];
    while !text.ends_with("\r\n\r\nok") {
        let count = timeout(stream.read(&mut byte)).await.expect("the connection works");
        assert_eq!(count, 1, "closed after {text:?}");
        text.push(char::from(byte[0]));
    }
    text
}

/// Connects until a connection is within the caps, and answered.
async fn wait_for_a_place(server: &Server) {
    timeout(async {
        loop {
            let mut next = server.connect().await;
            let _ = next.write_all(GET).await;
            if matches!(next.read(&mut [0]).await, Ok(1)) {
                break;
            }
        }
    })
    .await;
}

async fn timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("done in time")
}

#[tokio::test]
async fn answers_http1_and_keeps_the_connection() {
    let server = start(HttpConfig::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(GET).await.expect("the connection is open");
        assert!(read_response(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn answers_http2_by_prior_knowledge_even_when_the_preface_comes_in_parts() {
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS, end of stream and of headers, stream 1: GET, http, /, authority "a".
    const HEADERS: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let server = start(HttpConfig::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HT").await.expect("the connection is open");
    stream.flush().await.expect("the connection is open");
    tokio::task::yield_now().await;
    stream.write_all(b"TP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the connection is open");
    stream.write_all(SETTINGS).await.expect("the connection is open");
    stream.write_all(HEADERS).await.expect("the connection is open");
    loop {
        let mut head = [0; 9];
        timeout(stream.read_exact(&mut head)).await.expect("a frame's head");
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        timeout(stream.read_exact(&mut payload)).await.expect("a frame's payload");
        if kind == 1 {
            assert_eq!(payload.first(), Some(&0x88), "the status is 200");
            break;
        }
    }
}

#[tokio::test]
async fn closes_a_connection_that_says_nothing() {
    let http = HttpConfig { first_byte_timeout: Duration::from_millis(50), ..HttpConfig::default() };
    let server = start(http).await;
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn closes_a_connection_whose_headers_are_slow() {
    let http = HttpConfig { header_timeout: Duration::from_millis(50), ..HttpConfig::default() };
    let server = start(http).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("the connection is open");
    let answer = read_to_end(&mut stream).await;
    assert!(!answer.contains("200"), "{answer}");
    assert_eq!(server.arrived.available_permits(), 0);
}

#[tokio::test]
async fn refuses_too_many_and_too_long_headers() {
    let http = HttpConfig { headers_max: 10, header_bytes_max: 8 << 10, ..HttpConfig::default() };
    let server = start(http).await;
    let many = "a: b\r\n".repeat(11);
    let long = format!("a: {}\r\n", "b".repeat(9 << 10));
    for headers in [many, long] {
        let mut stream = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the connection is open");
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn drops_connections_above_the_caps_and_takes_new_ones_afterwards() {
    for http in [
        HttpConfig { connections_max: 1, ..HttpConfig::default() },
        HttpConfig { connections_per_address_max: 1, ..HttpConfig::default() },
    ] {
        let server = start(http).await;
        let mut first = server.connect().await;
        first.write_all(GET).await.expect("the connection is open");
        read_response(&mut first).await;
        assert_eq!(read_to_end(&mut server.connect().await).await, "", "the second one is dropped");
        drop(first);
        wait_for_a_place(&server).await;
    }
}

#[tokio::test]
async fn hundreds_connect_before_one_is_accepted() {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    // A system that lets fewer wait, or does not say how many, keeps what it says.
    let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
    let mut clients = Vec::new();
    for _ in 0..allowed.unwrap_or(128).min(300) {
        clients.push(timeout(TcpStream::connect(address)).await.expect("there is room to wait"));
    }
}

#[tokio::test]
async fn closes_an_old_connection_after_its_request() {
    let http = HttpConfig { connection_age_max: Duration::from_millis(100), ..HttpConfig::default() };
    let server = start(http).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.expect("the connection is open");
    assert!(read_to_end(&mut stream).await.contains("200 OK"));
}

/// Bytes of a body that no buffer of the kernel holds.
const BODY_BYTES: usize = 16 << 20;

/// Begins a request whose body the server will not read.
async fn begin_upload(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the connection is open");
    stream
}

#[tokio::test]
async fn a_client_that_is_answered_before_its_body_is_read_can_send_the_rest_and_read_the_answer() {
    let server = start(HttpConfig::default()).await;
    let mut stream = begin_upload(&server).await;
    timeout(stream.write_all(&vec![b'x'; BODY_BYTES])).await.expect("the server takes all of it");
    let mut answer = Vec::new();
    timeout(stream.read_to_end(&mut answer)).await.expect("the answer has an end and no reset");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_client_that_was_answered_and_is_silent_is_left() {
    let http = HttpConfig { connections_max: 1, ..HttpConfig::default() };
    let server = start(http).await;
    let mut silent = begin_upload(&server).await;
    assert!(read_to_end(&mut silent).await.contains("200 OK"));
    // Its side stays open, and its place is free all the same.
    wait_for_a_place(&server).await;
    drop(silent);
}

#[tokio::test]
async fn a_client_that_was_answered_and_never_stops_sending_is_left() {
    let server = start(HttpConfig::default()).await;
    let mut stream = begin_upload(&server).await;
    let piece = vec![b'x'; 64 << 10];
    timeout(async { while stream.write_all(&piece).await.is_ok() {} }).await;
}

#[tokio::test]
async fn drains_requests_in_flight_and_refuses_new_connections() {
    let server = start(HttpConfig::default()).await;
    let mut busy = server.connect().await;
    let mut idle = server.connect().await;
    let mut silent = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the connection is open");
    idle.write_all(GET).await.expect("the connection is open");
    timeout(server.arrived.acquire_many(2)).await.expect("never closed").forget();
    read_response(&mut idle).await;
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut silent).await, "");
    timeout(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    server.answers.add_permits(1);
    assert!(read_to_end(&mut busy).await.contains("200 OK"));
    timeout(server.task).await.expect("the loop ends");
}

#[tokio::test]
async fn cuts_what_does_not_end_in_time() {
    let http = HttpConfig { drain_timeout: Duration::from_millis(50), ..HttpConfig::default() };
    let server = start(http).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("the connection is open");
    timeout(server.arrived.acquire()).await.expect("never closed").forget();
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut busy).await, "");
    timeout(server.task).await.expect("the loop ends");
}

#[tokio::test]
async fn keeps_serving_during_the_delay_before_the_drain() {
    let http = HttpConfig { drain_delay: Duration::from_secs(3600), ..HttpConfig::default() };
    let server = start(http).await;
    server.shutdown.cancel();
    let mut stream = server.connect().await;
    stream.write_all(GET).await.expect("the connection is open");
    read_response(&mut stream).await;
    tokio::select! {
        biased;
        _ = server.task => panic!("the loop has ended"),
        () = async {} => {}
        () = pending() => {}
    }
}
