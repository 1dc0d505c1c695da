//! How a connection ends: the client can read its last answer, even when it is still sending.
//!
//! A request may be answered before its body is read, as with 413. If the socket were closed then, the kernel would
//! answer the rest of the body with a reset, and many clients report that in place of the answer that has arrived. So
//! only the direction to the client is closed at first (RFC 9112 §9.6), and what still comes is read and forgotten,
//! until the client closes its side or a bound is reached.

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

/// How long a client that was answered for the last time may be silent before it is left.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// How long such a client is read from, however much it sends.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes that are forgotten at once.
const PIECE_BYTES: usize = 8 << 10;

/// A connection that lingers when it is shut down.
pub(super) struct Lingering {
    stream: TcpStream,
    rest: Option<Rest>,
}

/// What comes after the last answer.
struct Rest {
    silence: Pin<Box<Sleep>>,
    time_max: Instant,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, rest: None }
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
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes the direction to the client, then waits until the other one is closed, too, or for as long as is polite.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, rest } = &mut *self;
        if rest.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        rest.get_or_insert_with(Rest::new).poll_forget(stream, cx).map(Ok)
    }
}
