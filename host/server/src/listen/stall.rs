//! A bound on how long a client may take nothing of what is written to it.
//!
//! A client that never reads closes its window, and the kernel goes on asking whether it has opened, for ever. A write
//! to it would be pending for ever too, and with it the connection, whatever became of the request. So a write that has
//! been pending for too long fails. A client to which nothing is written is not meant, nor is one that reads slowly.
//!
//! Shutting down is not bounded here: the kernel does that at once, and what comes after it is `linger.rs`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

/// How long a client may take nothing.
pub(super) const STALL_MAX: Duration = Duration::from_secs(60);

/// What is known of the write that is pending on a connection, if one is.
#[derive(Default)]
pub(super) struct Stall {
    /// Runs only while a write is pending, so that one which is taken at once costs nothing.
    over: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Passes on what came of a write; one that has been pending for too long is tried `once_more`, without waiting.
    ///
    /// The kernel says that a socket can be written to when a third of its buffer is free. What a slow reader takes in
    /// the meantime shows only when something is written.
    ///
    /// # Errors
    /// Those of the write, and `TimedOut` when nothing of it is taken even then.
    pub(super) fn bound(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        once_more: impl FnOnce() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.over = None;
            return written;
        }
        ready!(self.over.get_or_insert_with(|| Box::pin(sleep(STALL_MAX))).as_mut().poll(cx));
        self.over = None;
        Poll::Ready(once_more().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing"),
            _ => error,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWrite as _, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    /// A little less than a client may take nothing.
    const ALMOST: Duration = Duration::from_secs(STALL_MAX.as_secs() - 1);

    async fn write(stall: &mut Stall, stream: &mut DuplexStream) -> io::Result<usize> {
        poll_fn(|cx| {
            let written = Pin::new(&mut *stream).poll_write(cx, &[0; 16]);
            stall.bound(cx, written, || Err(io::ErrorKind::WouldBlock.into()))
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_to_a_client_that_does_not_read_fails() {
        let ((mut stream, _client), mut stall) = (duplex(16), Stall::default());
        assert_eq!(write(&mut stall, &mut stream).await.ok(), Some(16));
        let begun = Instant::now();
        let error = write(&mut stall, &mut stream).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let elapsed = begun.elapsed();
        assert!(elapsed >= STALL_MAX && elapsed < STALL_MAX + Duration::from_secs(1), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_written_to() {
        const READS: usize = 5;
        let ((mut stream, mut client), mut stall) = (duplex(16), Stall::default());
        let reading = async {
            for _ in 0..READS {
                sleep(ALMOST).await;
                client.read_exact(&mut [0; 1]).await.expect("something was written");
            }
        };
        let writing = async {
            let mut bytes = 0;
            while bytes < 16 + READS {
                bytes += write(&mut stall, &mut stream).await.expect("the client reads");
            }
        };
        tokio::join!(reading, writing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_to_which_nothing_is_written_may_be_silent() {
        let ((mut stream, mut client), mut stall) = (duplex(16), Stall::default());
        for _ in 0..3 {
            assert_eq!(write(&mut stall, &mut stream).await.ok(), Some(16));
            client.read_exact(&mut [0; 16]).await.expect("something was written");
            sleep(2 * STALL_MAX).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_of_which_something_is_taken_at_last_goes_on() {
        let mut stall = Stall::default();
        for _ in 0..2 {
            let begun = Instant::now();
            let written = poll_fn(|cx| stall.bound(cx, Poll::Pending, || Ok(7))).await;
            assert_eq!(written.ok(), Some(7));
            assert!(begun.elapsed() >= STALL_MAX, "{:?}", begun.elapsed());
        }
    }
}
