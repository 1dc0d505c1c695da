//! One follower: an answer that does not end, as `text/event-stream` (HTML, section 9.2).
//!
//! A task finds out what comes next and hands it over, one piece at a time: it does not look further before the client
//! has taken the piece before. Whatever ends it, the client is told why with a last event `error`, if it still reads.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use backplane_events::{Pattern, Seq};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{
    Taken,
    log::{PageBounds, read_lines},
    places::Place,
};
use crate::{
    app::App,
    event_rights::require_pattern,
    identity::challenge,
    problem::{ApiError, ApiResult, codes},
};

/// How long a client may leave the next piece where it is.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a client hears that the server is there, and is asked whether it still may.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What is read of the log at once for one follower.
const PAGE: PageBounds = PageBounds { events_max: 256, bytes_max: 256 << 10 };

/// What a follower asks for.
#[derive(Debug)]
pub struct Asked {
    /// Which topics.
    pub topics: Vec<Pattern>,
    /// What comes after this place.
    pub after: Seq,
    /// The credential that it came with: looked at again and again.
    pub credential: HeaderMap,
}

/// Begins to follow, and returns the body of the answer. Dropping it ends everything.
pub fn follow(app: Arc<App>, place: Place, asked: Asked) -> StreamBody {
    // One piece waits while the client takes the one before it.
    let (sender, pieces) = mpsc::channel(1);
    let last = Arc::new(OnceLock::new());
    let body = StreamBody { pieces, last: Some(Arc::clone(&last)) };
    let ends = app.follow.ends();
    let follower = Follower { app, asked, sender: sender.clone(), ends };
    tokio::spawn(async move {
        if let Err(End::Told(error)) = follower.run().await {
            let _first = last.set(farewell(&error));
        }
        // It is looked at when the channel closes, and that is now.
        drop(sender);
        drop(place);
    });
    body
}

/// The body of the answer.
#[derive(Debug)]
pub struct StreamBody {
    pieces: mpsc::Receiver<Bytes>,
    /// What is said when there are no more pieces, once.
    last: Option<Arc<OnceLock<Bytes>>>,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let piece = ready!(this.pieces.poll_recv(context)).or_else(|| this.last.take()?.get().cloned());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Why a stream ends.
enum End {
    /// The client is gone.
    Gone,
    /// The client is told.
    Told(ApiError),
}

struct Follower {
    app: Arc<App>,
    asked: Asked,
    sender: mpsc::Sender<Bytes>,
    ends: watch::Receiver<Seq>,
}

impl Follower {
    async fn run(mut self) -> Result<(), End> {
        let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.send(greeting(self.asked.after)).await?;
        loop {
            // Seen before the look, so that what comes after it wakes.
            self.ends.mark_unchanged();
            let is_at_end = self.go_on().await?;
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return Err(End::Told(shutting_down())),
                () = self.sender.closed() => return Err(End::Gone),
                _ = ticks.tick() => self.keep_alive().await?,
                changed = self.ends.changed(), if is_at_end => changed.map_err(|_closed| End::Gone)?,
                () = std::future::ready(()), if !is_at_end => {}
            }
        }
    }

    /// Sends what comes next, and returns whether that was all.
    async fn go_on(&mut self) -> Result<bool, End> {
        match self.app.follow.take_text(self.asked.after, &self.asked.topics) {
            Taken::Up { to, found, is_end } => {
                self.asked.after = to;
                self.send(found).await?;
                Ok(is_end)
            }
            Taken::Behind => self.read_log().await,
        }
    }

    /// Sends a page of the log: what lies before the ring.
    async fn read_log(&mut self) -> Result<bool, End> {
        let after = self.asked.after;
        let page = read_lines(&self.app, after, self.asked.topics.clone(), PAGE).await.map_err(|error| {
            let detail = "the event log cannot be read now: follow again from the last event";
            End::Told(ApiError::new(codes::EVENTS_UNAVAILABLE, detail).with_source(error))
        })?;
        if after > Seq::ZERO && page.kept_from.0 > after.0 + 1 {
            self.send(gap(after, page.kept_from)).await?;
        }
        self.asked.after = page.end.max(after);
        let mut text = BytesMut::new();
        page.events.iter().for_each(|event| event.write(&mut text));
        self.send(text.freeze()).await?;
        Ok(!page.more)
    }

    /// Says that the server is there, and how far it has looked, and asks whether the client still may.
    async fn keep_alive(&mut self) -> Result<(), End> {
        let now = self.app.clock.unix_ms();
        let caller = self.app.identity.authenticate(&self.asked.credential, now).await.map_err(End::Told)?;
        let caller = caller.ok_or_else(|| End::Told(challenge::unauthenticated()))?;
        let rules = &self.app.config.events.access.follow;
        let allowed: ApiResult<()> =
            self.asked.topics.iter().try_for_each(|topics| require_pattern(rules, &caller, topics));
        allowed.map_err(End::Told)?;
        let Seq(after) = self.asked.after;
        self.send(format!(": keep-alive\nid: {after}\n\n").into()).await
    }

    async fn send(&self, piece: Bytes) -> Result<(), End> {
        if piece.is_empty() {
            return Ok(());
        }
        match timeout(STALL_TIMEOUT, self.sender.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_closed)) => Err(End::Gone),
            Err(_elapsed) => Err(End::Told(slow_reader())),
        }
    }
}

/// What is sent first: headers leave with it. A client that is cut off waits for so many milliseconds, and goes on from
/// the last id that it has seen: where nothing else came, from where it began.
fn greeting(Seq(after): Seq) -> Bytes {
    format!("retry: 2000\n: following\nid: {after}\n\n").into()
}

fn slow_reader() -> ApiError {
    let seconds = STALL_TIMEOUT.as_secs();
    let detail = format!("nothing was taken for {seconds} s: follow again from the last event, and read faster");
    ApiError::new(codes::SLOW_READER, detail)
}

fn shutting_down() -> ApiError {
    ApiError::new(codes::SHUTTING_DOWN, "the server is stopping: follow again from the last event")
}

/// Says that events were deleted before the client came for them.
fn gap(after: Seq, kept_from: Seq) -> Bytes {
    let data = serde_json::json!({"after": after.0, "kept_from": kept_from.0});
    format!("event: gap\ndata: {data}\n\n").into()
}

/// Says why the stream ends.
fn farewell(error: &ApiError) -> Bytes {
    let data = serde_json::json!({"code": error.code(), "detail": error.detail()});
    format!("event: error\ndata: {data}\n\n").into()
}
