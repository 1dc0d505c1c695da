//! One subscriber: events of the log in their order, from a place of it on.
//!
//! It is a follower as a stream over HTTP is: it has a place in the log and nothing else, takes from the same ring, or
//! reads a page further back, and is asked again and again whether it still may. Whatever ends it, the status says why.

use std::{sync::Arc, time::Duration};

use backplane_events::{Event as StoredEvent, LogPage, Pattern, Seq, UnixMs};
use http::{HeaderMap, header::AUTHORIZATION};
use prost_types::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::Parts;
use crate::{
    app::App,
    endpoint::{events_unavailable, no_place, read_patterns},
    event_rights::require_pattern,
    follow::{PageBounds, Place, Taken, read_events},
    grpc::{
        pb::{
            Event, Gap, Progress, SubscribeEventsRequest, SubscribeEventsResponse, subscribe_events_response::Message,
        },
        streams::{Gone, Messages, Sender, shutting_down, unplaced},
    },
    identity::challenge,
    problem::{ApiError, ApiResult, codes},
};

/// How often a subscriber hears how far the log was looked through, and is asked whether it still may.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What is read of the log at once.
const PAGE: PageBounds = PageBounds { events_max: 256, bytes_max: 256 << 10 };

/// Why a stream ends.
enum End {
    Gone,
    Told(ApiError),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// One stream.
pub(super) struct Subscriber {
    app: Arc<App>,
    topics: Vec<Pattern>,
    after: Seq,
    /// Looked at again and again.
    credential: HeaderMap,
    _place: Place,
}

impl Subscriber {
    /// Begins to follow.
    ///
    /// # Errors
    /// `invalid_topic`, `invalid_request` for a place that is none, `forbidden`, `insufficient_scope`,
    /// `too_many_streams`, `streams_busy` or `events_unavailable`.
    pub(super) async fn start(
        app: Arc<App>,
        parts: &Parts,
        asked: SubscribeEventsRequest,
    ) -> ApiResult<Messages<SubscribeEventsResponse>> {
        let texts = match asked.topics.as_slice() {
            [] => vec!["*"],
            topics => topics.iter().map(String::as_str).collect(),
        };
        let topics = read_patterns(&app, &parts.caller, texts)?;
        let named = Seq(asked.after.unwrap_or_default());
        let head = app.events.head_for(named).await.map_err(events_unavailable)?;
        let after = asked.after.map_or(Ok(head), |after| check_place(after, head))?;
        let place = app.follow.enter(parts.caller.subject()).map_err(no_place)?;
        let lines = parts.headers.get_all(AUTHORIZATION).iter();
        let credential = lines.map(|line| (AUTHORIZATION, line.clone())).collect();
        let (sender, messages) = unplaced();
        let subscriber = Self { app, topics, after, credential, _place: place };
        tokio::spawn(async move {
            let mut subscriber = subscriber;
            if let Err(End::Told(error)) = subscriber.run(&sender).await {
                sender.fail(error).await;
            }
        });
        Ok(messages)
    }

    async fn run(&mut self, sender: &Sender<SubscribeEventsResponse>) -> Result<(), End> {
        let mut ends = self.app.follow.ends();
        let mut ticks = ticks();
        self.tell_progress(sender).await?;
        loop {
            // Seen before the look, so that what comes after it wakes.
            ends.mark_unchanged();
            let more = self.send_next(sender).await?;
            self.wait(sender, &mut ends, &mut ticks, more).await?;
        }
    }

    /// Waits until there may be more.
    async fn wait(
        &mut self,
        sender: &Sender<SubscribeEventsResponse>,
        ends: &mut watch::Receiver<Seq>,
        ticks: &mut Interval,
        more: bool,
    ) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.app.shutdown.cancelled() => Err(End::Told(shutting_down())),
            () = sender.closed() => Err(End::Gone),
            _ = ticks.tick() => {
                self.require_still().await.map_err(End::Told)?;
                self.tell_progress(sender).await
            }
            changed = ends.changed(), if !more => changed.map_err(|_closed| End::Told(shutting_down())),
            () = std::future::ready(()), if more => Ok(()),
        }
    }

    /// Sends what comes next, and returns whether there is more.
    async fn send_next(&mut self, sender: &Sender<SubscribeEventsResponse>) -> Result<bool, End> {
        let (events, end, more) = match self.app.follow.take_events(self.after, &self.topics) {
            Taken::Up { to, found, is_end } => (found, to, !is_end),
            Taken::Behind => self.read_log(sender).await?,
        };
        for event in events {
            self.after = event.seq;
            sender.send(response(Message::Event(to_message(&event)))).await?;
        }
        self.after = end.max(self.after);
        Ok(more)
    }

    /// Reads a page of the log: what lies before the ring. Says where it ends, and whether there is more.
    async fn read_log(
        &self,
        sender: &Sender<SubscribeEventsResponse>,
    ) -> Result<(Vec<Arc<StoredEvent>>, Seq, bool), End> {
        let page = read_events(&self.app, self.after, self.topics.clone(), PAGE).await;
        let LogPage { events, end, more, kept_from } = page.map_err(|error| End::Told(events_unavailable(error)))?;
        if self.after > Seq::ZERO && kept_from.0 > self.after.0 + 1 {
            let gap = Gap { after: self.after.0, kept_from: kept_from.0 };
            sender.send(response(Message::Gap(gap))).await?;
        }
        Ok((events, end, more))
    }

    async fn tell_progress(&self, sender: &Sender<SubscribeEventsResponse>) -> Result<(), End> {
        let Seq(sequence) = self.after;
        Ok(sender.send(response(Message::Progress(Progress { sequence }))).await?)
    }

    /// Asks whether the caller still may follow.
    async fn require_still(&self) -> ApiResult<()> {
        let caller = self.app.identity.authenticate(&self.credential, self.app.clock.unix_ms()).await?;
        let caller = caller.ok_or_else(challenge::unauthenticated)?;
        let rules = &self.app.config.events.access.follow;
        self.topics.iter().try_for_each(|topics| require_pattern(rules, &caller, topics))
    }
}

fn ticks() -> Interval {
    let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn check_place(after: i64, Seq(head): Seq) -> ApiResult<Seq> {
    match (0..=head).contains(&after) {
        true => Ok(Seq(after)),
        false => {
            let detail = format!("`after` must be a place of this log: 0 for all that is kept, up to {head}");
            Err(ApiError::new(codes::INVALID_REQUEST, detail))
        }
    }
}

fn response(message: Message) -> SubscribeEventsResponse {
    SubscribeEventsResponse { message: Some(message) }
}

fn to_message(event: &StoredEvent) -> Event {
    let UnixMs(time_ms) = event.time;
    let nanos = i32::try_from(time_ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Event {
        sequence: event.seq.0,
        id: event.id.to_string(),
        topic: event.topic.as_str().to_owned(),
        source: event.source.to_string(),
        key: event.key.as_ref().map(|key| key.as_str().to_owned()).unwrap_or_default(),
        content_type: event.content_type.to_string(),
        payload: event.payload.to_vec().into(),
        time: Some(Timestamp { seconds: time_ms.div_euclid(1000), nanos }),
        trace_parent: event.trace_parent.as_deref().map(str::to_owned).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_of_the_log() {
        for after in [0, 7, 42] {
            assert_eq!(check_place(after, Seq(42)).expect("a place"), Seq(after));
        }
        for after in [-1, 43, i64::MAX, i64::MIN] {
            assert_eq!(check_place(after, Seq(42)).expect_err("no place").code(), "invalid_request");
        }
    }
}
