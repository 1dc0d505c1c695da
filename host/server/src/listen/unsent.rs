//! Answers that clients have not taken yet: how much they may hold, and for how long nothing of them may be taken.
//!
//! An answer of a guest is in memory as a whole until its client has it, and an HTTP/2 client decides for each of its
//! requests when it takes how much (RFC 9113, section 5.2). So answers are counted from the moment they are there until
//! their last byte is written: those to all clients, to each address, and on each connection. Where one of the first two
//! is at its bound, requests that come are marked, and dispatch refuses them before they run. What runs by then is
//! answered all the same.
//!
//! What has no length from the start is not counted: streams are made as they are taken, and bounded where they are made.
//! That they are taken shows all the same that their connection is alive.
//!
//! An answer to `HEAD` over HTTP/2 is left without its body here, so that it counts for nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::sleep;

use super::stall::STALL_MAX;

/// Shorter answers are not counted: a request costs its connection more than that.
const BYTES_MIN: u64 = 1 << 10;
/// Longest piece in which a counted answer is handed over, so that it shows how far it is taken.
const PIECE_BYTES: usize = 16 << 10;
/// How often a connection is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(STALL_MAX.as_secs() / 4);

/// What answers hold, in bytes.
#[derive(Debug)]
pub(super) struct Unsent {
    bytes: AtomicUsize,
    max: usize,
    /// Pieces that were written, or given up.
    gone: AtomicUsize,
    /// What this is a part of.
    whole: Option<Arc<Unsent>>,
}

/// An extension of requests that come when there is no room for their answers.
#[derive(Debug, Clone, Copy)]
struct Crowded;

/// Returns whether a request with these extensions came when there was no room for its answer.
pub fn is_crowded(extensions: &Extensions) -> bool {
    extensions.get::<Crowded>().is_some()
}

impl Unsent {
    /// What the answers to all clients hold.
    pub(super) fn of_all(max: usize) -> Arc<Self> {
        Self::new(max, None)
    }

    /// What those to one address hold, which are a part of `self`.
    pub(super) fn of_address(self: &Arc<Self>, max: usize) -> Arc<Self> {
        Self::new(max, Some(self))
    }

    /// What those on one connection hold, which are a part of `self`.
    pub(super) fn of_connection(self: &Arc<Self>) -> Arc<Self> {
        Self::new(usize::MAX, Some(self))
    }

    fn new(max: usize, whole: Option<&Arc<Self>>) -> Arc<Self> {
        let whole = whole.map(Arc::clone);
        Arc::new(Self { bytes: AtomicUsize::new(0), max, gone: AtomicUsize::new(0), whole })
    }

    /// Marks a request for whose answer there is no room.
    pub(super) fn mark(&self, extensions: &mut Extensions) {
        if !self.has_room() {
            extensions.insert(Crowded);
        }
    }

    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.max && self.whole.as_ref().is_none_or(|whole| whole.has_room())
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.whole.iter().for_each(|whole| whole.add(bytes));
    }

    fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.whole.iter().for_each(|whole| whole.subtract(bytes));
    }

    /// Returns when answers have waited on this connection for too long, and nothing of any of them was taken.
    pub(super) async fn stalled(&self) {
        let mut stood_still = Duration::ZERO;
        while stood_still < STALL_MAX {
            let gone = self.gone.load(Ordering::Relaxed);
            let waits = self.bytes.load(Ordering::Relaxed) > 0;
            sleep(LOOK_INTERVAL).await;
            let is_still = waits && gone == self.gone.load(Ordering::Relaxed);
            stood_still = if is_still { stood_still + LOOK_INTERVAL } else { Duration::ZERO };
        }
    }
}

/// What one answer holds, until this is dropped.
#[derive(Debug)]
struct Charge {
    unsent: Arc<Unsent>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.unsent.subtract(self.bytes);
    }
}

/// A piece of an answer, in whatever buffer it lies.
struct Piece {
    bytes: Bytes,
    unsent: Arc<Unsent>,
    _charge: Option<Arc<Charge>>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.unsent.gone.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer, counted where it is worth that.
#[derive(Debug)]
pub(super) struct Counted<B> {
    /// `None` where nothing of it is to be sent.
    body: Option<B>,
    unsent: Arc<Unsent>,
    /// What the body has given and nobody has taken.
    rest: Bytes,
    charge: Option<Arc<Charge>>,
}

impl<B: Body> Counted<B> {
    fn new(body: B, unsent: &Arc<Unsent>) -> Self {
        let bytes = Some(body.size_hint().lower()).filter(|bytes| *bytes >= BYTES_MIN);
        let charge = bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(|bytes| {
            unsent.add(bytes);
            Arc::new(Charge { unsent: Arc::clone(unsent), bytes })
        });
        Self { body: Some(body), unsent: Arc::clone(unsent), rest: Bytes::new(), charge }
    }

    fn empty(unsent: &Arc<Unsent>) -> Self {
        Self { body: None, unsent: Arc::clone(unsent), rest: Bytes::new(), charge: None }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // While nothing waits on the connection, nobody asks what else is taken.
        if this.charge.is_none() && this.rest.is_empty() && this.unsent.bytes.load(Ordering::Relaxed) == 0 {
            return Pin::new(body).poll_frame(cx);
        }
        if this.rest.is_empty() {
            match ready!(Pin::new(body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => this.rest = data,
                Some(Err(frame)) => return Poll::Ready(Some(Ok(frame))),
                None => return Poll::Ready(None),
            }
        }
        let bytes = this.rest.split_to(this.rest.len().min(PIECE_BYTES));
        let piece = Piece { bytes, unsent: Arc::clone(&this.unsent), _charge: this.charge.clone() };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        let (mut hint, rest) = (hint.unwrap_or_else(|| SizeHint::with_exact(0)), self.rest.len() as u64);
        if rest > 0 {
            // In this order: a lower bound may not be above the upper one.
            hint.upper().map(|upper| upper.saturating_add(rest)).into_iter().for_each(|upper| hint.set_upper(upper));
            hint.set_lower(hint.lower().saturating_add(rest));
        }
        hint
    }
}

pin_project! {
    /// An answer that is counted once it is there.
    pub(super) struct Counting<F> {
        #[pin]
        answer: F,
        unsent: Arc<Unsent>,
        is_without_body: bool,
    }
}

impl<F> Counting<F> {
    /// `is_without_body` says that only the head of the answer is to be sent (RFC 9110, section 9.3.2).
    pub(super) fn new(answer: F, unsent: &Arc<Unsent>, is_without_body: bool) -> Self {
        Self { answer, unsent: Arc::clone(unsent), is_without_body }
    }
}

impl<F, B, E> Future for Counting<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Counted<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(cx))?;
        if !*this.is_without_body {
            return Poll::Ready(Ok(answer.map(|body| Counted::new(body, this.unsent))));
        }
        if let Some(length) = answer.body().size_hint().exact() {
            answer.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        Poll::Ready(Ok(answer.map(|_| Counted::empty(this.unsent))))
    }
}

#[cfg(test)]
mod tests;
