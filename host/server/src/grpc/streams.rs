//! Answers that go on: how many there may be, and how they are sent.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::problem::{ApiError, ApiResult, codes};

/// Streams of the host's own services at the same time.
const STREAMS_MAX: usize = 1024;
/// When a caller without a place may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long a caller may leave the next message where it is.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The places of streams.
#[derive(Clone)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

/// Messages on their way to a caller.
pub(super) type Messages<T> = ReceiverStream<Result<T, Status>>;

/// The host's end of a stream. The place is given back with it.
pub(super) struct Sender<T> {
    messages: mpsc::Sender<Result<T, Status>>,
    _place: Option<OwnedSemaphorePermit>,
}

/// The caller is gone, or reads nothing.
#[derive(Debug)]
pub(super) struct Gone;

impl Streams {
    /// Opens a stream.
    ///
    /// # Errors
    /// `streams_busy`.
    pub(super) fn open<T>(&self) -> ApiResult<(Sender<T>, Messages<T>)> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_none| {
            ApiError::new(codes::STREAMS_BUSY, "as many streams are open as may be").with_retry_after(RETRY_AFTER)
        })?;
        let (sender, messages) = unplaced();
        Ok((Sender { _place: Some(place), ..sender }, messages))
    }
}

/// Opens a stream whose place is counted elsewhere.
pub(super) fn unplaced<T>() -> (Sender<T>, Messages<T>) {
    // One message waits while the caller takes the one before it.
    let (messages, receiver) = mpsc::channel(1);
    (Sender { messages, _place: None }, ReceiverStream::new(receiver))
}

impl<T> Sender<T> {
    /// Sends a message, and waits for a caller that is slow, for a while.
    pub(super) async fn send(&self, message: T) -> Result<(), Gone> {
        match timeout(STALL_TIMEOUT, self.messages.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_closed)) => Err(Gone),
            Err(_elapsed) => Err(Gone),
        }
    }

    /// Ends the stream with a status.
    pub(super) async fn fail(self, error: ApiError) {
        let _gone = timeout(STALL_TIMEOUT, self.messages.send(Err(error.into()))).await;
    }

    /// Waits until the caller is gone.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }
}

/// What a stream ends with when the server does.
pub(super) fn shutting_down() -> ApiError {
    ApiError::new(codes::SHUTTING_DOWN, "the server is stopping: call again")
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn there_are_so_manyplaces_and_each_is_given_back() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| streams.open::<()>().expect("a place")).collect();
        assert!(streams.open::<()>().is_err_and(|error| error.code() == "streams_busy"));
        drop(open.pop());
        assert!(streams.open::<()>().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_gone_after_a_while() {
        let (sender, mut messages) = Streams::default().open().expect("a place");
        assert!(sender.send(1).await.is_ok());
        assert!(sender.send(2).await.is_err());
        assert!(messages.next().await.is_some_and(|message| message.is_ok_and(|message| message == 1)));
        sender.fail(shutting_down()).await;
        let last = messages.next().await.expect("a status").expect_err("an error");
        assert_eq!(last.code(), tonic::Code::Unavailable);
        assert!(messages.next().await.is_none());
    }
}
