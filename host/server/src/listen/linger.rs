//! How a connection ends: the client can read its last answer, even when it is still sending.
//!
//! A request may be answered before its body is read, as with 413. If the socket were closed then, the kernel would
//! answer the rest of the body with a reset, and many clients report that in place of the answer that has arrived. So
//! only the direction to the client is closed at first (RFC 9112 §9.6), and what still comes is read and forgotten,
//! until the client closes its side or a bound is reached. A client that does not even take what it asked for is left
//! before that (`stall.rs`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::stall::Stall;

/// How long a client that was answered for the last time may be silent before it is left.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// How long such a client is read from, however much it sends.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes that are forgotten at once.
const PIECE_BYTES: usize = 8 << 10;

/// A connection that lingers when it is shut down.
pub(super) struct Lingering {
    stream: TcpStream,
    stall: Stall,
    rest: Option<Rest>,
}

/// What comes after the last answer.
struct Rest {
    silence: Pin<Box<Sleep>>,
    time_max: Instant,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, stall: Stall::default(), rest: None }
    }
}

impl Rest {
    fn new() -> Self {
        let now = Instant::now();
        Self { silence: Box::pin(sleep_until(now + SILENCE_MAX)), time_max: now + TIME_MAX }
    }

    /// Reads until there is nothing more to wait for.
    fn poll_forget(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; PIECE_BYTES];
        while Instant::now() < self.time_max {
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut *stream).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    self.silence.as_mut().reset(self.time_max.min(Instant::now() + SILENCE_MAX));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.silence.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, stall, .. } = &mut *self;
        let written = Pin::new(&mut *stream).poll_write(cx, bytes);
        stall.bound(cx, written, || Ok(rustix::io::write(&*stream, bytes)?))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, stall, .. } = &mut *self;
        let written = Pin::new(&mut *stream).poll_write_vectored(cx, slices);
        stall.bound(cx, written, || Ok(rustix::io::writev(&*stream, slices)?))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the direction to the client, then waits until the other one is closed, too, or for as long as is polite.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, rest, .. } = &mut *self;
        if rest.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        rest.get_or_insert_with(Rest::new).poll_forget(stream, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::AsyncReadExt as _,
        net::TcpSocket,
        time::{sleep, timeout},
    };

    use super::*;
    use crate::listen::stall::STALL_MAX;

    const PIECE: [u8; 4096] = [b'x'; 4096];

    /// A connection whose kernel buffers are known: its client's is small beside its own.
    async fn connect() -> (Lingering, TcpStream) {
        let server = TcpSocket::new_v4().expect("a socket is to be had");
        server.set_send_buffer_size(200 << 10).expect("it may be as long");
        server.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
        let listener = server.listen(1).expect("it is bound");
        let client = TcpSocket::new_v4().expect("a socket is to be had");
        client.set_recv_buffer_size(8 << 10).expect("it may be as short");
        let client = client.connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("the client has connected");
        (Lingering::new(server), client)
    }

    async fn write(stream: &mut Lingering) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, &PIECE)).await
    }

    /// Writes until no more is taken.
    async fn fill(stream: &mut Lingering) {
        while matches!(timeout(Duration::from_secs(1), write(stream)).await, Ok(Ok(_))) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_left() {
        let (mut stream, _client) = connect().await;
        fill(&mut stream).await;
        let error = write(&mut stream).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let slices = [IoSlice::new(&PIECE)];
        let error = poll_fn(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices)).await;
        assert_eq!(error.expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_less_than_the_kernel_tells_of_is_not_left() {
        let (mut stream, mut client) = connect().await;
        fill(&mut stream).await;
        client.read_exact(&mut [0; 48 << 10]).await.expect("much more was written");
        sleep(STALL_MAX).await;
        // It is on the second try that the kernel takes something: it has not said that it would.
        let writable = timeout(Duration::from_secs(1), stream.stream.writable()).await;
        assert!(writable.is_err(), "the kernel tells of more than it should here");
        assert!(write(&mut stream).await.is_ok());
    }
}
