//! One connection: finds out which protocol it speaks, then serves it until it ends or is asked to.

use std::{convert::Infallible, error::Error, io, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::{Body, Bytes, Incoming},
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{sleep, timeout},
};
use tower::Service;

use super::{
    linger::Lingering,
    peer::WithPeer,
    tls::{self, Tls},
};
use crate::config::HttpConfig;

/// What a client sends first when it knows that the server speaks HTTP/2 (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause before looking again at a preface that has arrived in part.
const PREFACE_PAUSE: Duration = Duration::from_millis(10);
/// hyper's own bound of HTTP/1.1 headers, which it keeps on the stack; another one costs an allocation per request.
const HEADERS_ON_STACK: u32 = 100;
/// Read buffer of an HTTP/1.1 connection in bytes, if the headers do not need a larger one.
const HTTP1_BUFFER_BYTES_MAX: usize = 64 << 10;
/// Bytes that an HTTP/2 client may send before the server has read any.
const HTTP2_WINDOW_BYTES: u32 = 1 << 20;
/// How often a silent HTTP/2 client is asked whether it is there, and how long its answer may take.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// The protocols, set up once.
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    first_byte_timeout: Duration,
    tls: Option<Tls>,
}

/// What a connection's first bytes say.
enum Protocol {
    Http1,
    Http2,
}

impl Protocols {
    pub(super) fn new(http: &HttpConfig, tls: Option<Tls>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(http.header_timeout)
            .max_header_size(http.header_bytes_max)
            .max_buf_size(http.header_bytes_max.max(HTTP1_BUFFER_BYTES_MAX));
        if http.headers_max != HEADERS_ON_STACK {
            http1.max_headers(usize::try_from(http.headers_max).unwrap_or(usize::MAX));
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(http.streams_max)
            .max_header_list_size(u32::try_from(http.header_bytes_max).unwrap_or(u32::MAX))
            .initial_stream_window_size(HTTP2_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_WINDOW_BYTES)
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_INTERVAL);
        Self { http1, http2, first_byte_timeout: http.first_byte_timeout, tls }
    }

    /// Serves a connection to its end. After `stop` it ends with the requests that are in flight.
    pub(super) async fn serve<S, B>(&self, stream: TcpStream, service: WithPeer<S>, mut stop: oneshot::Receiver<()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Some(tls) = &self.tls {
            // Boxed: a connection without TLS does not carry around what one with it needs.
            return Box::pin(self.serve_tls(tls, stream, service, stop)).await;
        }
        let protocol = tokio::select! {
            biased;
            protocol = timeout(self.first_byte_timeout, detect(&stream)) => protocol,
            _ = &mut stop => return,
        };
        // Closed, broken or silent: there is nobody to answer.
        let Ok(Ok(Some(protocol))) = protocol else { return };
        self.speak(protocol, Lingering::new(stream), service, stop).await;
    }

    async fn serve_tls<S, B>(&self, tls: &Tls, stream: TcpStream, service: WithPeer<S>, mut stop: oneshot::Receiver<()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let accepted = tokio::select! {
            biased;
            accepted = tls.accept(Lingering::new(stream), self.first_byte_timeout) => accepted,
            _ = &mut stop => return,
        };
        match accepted {
            Ok(stream) => {
                let protocol = if tls::speaks_http2(&stream) { Protocol::Http2 } else { Protocol::Http1 };
                self.speak(protocol, stream, service, stop).await;
            }
            Err(error) => tracing::debug!(%error, "a client could not agree on TLS"),
        }
    }

    async fn speak<I, S, B>(&self, protocol: Protocol, stream: I, service: WithPeer<S>, stop: oneshot::Receiver<()>)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let io = TokioIo::new(stream);
        let result = match protocol {
            Protocol::Http1 => run(self.http1.serve_connection(io, service), stop).await,
            Protocol::Http2 => {
                let unsent = Arc::clone(service.unsent());
                tokio::select! {
                    biased;
                    result = run(self.http2.serve_connection(io, service), stop) => result,
                    () = unsent.stalled() => return tracing::debug!("closed: the client takes none of its answers"),
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended early");
        }
    }
}

/// Reads nothing, looks only: hyper gets every byte. `None` is a connection that was closed.
async fn detect(stream: &TcpStream) -> io::Result<Option<Protocol>> {
    let mut start = [0; HTTP2_PREFACE.len()];
    loop {
        let count = stream.peek(&mut start).await?;
        let (seen, expected) = (start.get(..count), HTTP2_PREFACE.get(..count));
        match count {
            0 => return Ok(None),
            _ if seen != expected => return Ok(Some(Protocol::Http1)),
            _ if count == start.len() => return Ok(Some(Protocol::Http2)),
            // The socket stays readable, so waiting for that would spin.
            _ => sleep(PREFACE_PAUSE).await,
        }
    }
}

/// The signal is polled only when the connection has nothing to do, and without a lock.
async fn run<C: GracefulConnection>(connection: C, stop: oneshot::Receiver<()>) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        _ = stop => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}
