//! Following topics live: one feed hears of new events for everybody, and each follower takes from it at its own pace.
//!
//! The [`feed`](run) keeps the newest events in a [`Ring`] for as long as somebody follows. They come from the store's
//! writer; what is lost on that way is read from the log. An event is written as text once, when the first follower takes
//! it. A follower has a place in the log and nothing else: what it asks for lies in the ring or, further back, is read
//! from the log a page at a time. So a slow follower costs no more than a quick one. One that takes nothing for 20 s is
//! sent away with the reason; it comes back with the id of its last event and misses nothing.
//!
//! This module does not know who may follow what.

mod log;
mod places;
mod ring;
mod stream;

use std::{
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane_events::{Event, Next, Pattern, Published, Seq};
use bytes::Bytes;
use tokio::{sync::watch, time::sleep};

use self::ring::Ring;
pub use self::{
    log::{LinesPage, PageBounds, read_events, read_lines, to_json},
    places::{NoPlace, Place, Places},
    ring::Taken,
    stream::{Asked, follow},
};
use crate::{app::App, events::Tail, problem::Chain};

/// How long the feed waits after a read of the log that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Events that the feed takes in before followers are told.
const NEWS_AT_ONCE: usize = 512;

/// What all followers share.
#[derive(Debug)]
pub struct Follow {
    places: Arc<Places>,
    ring: Mutex<Ring>,
    /// The end of the ring; moves with it.
    end: watch::Sender<Seq>,
}

impl Follow {
    /// Makes room for so many followers.
    pub fn new(streams_max: u32, per_caller_max: u32) -> Arc<Self> {
        let places = Places::new(streams_max, per_caller_max);
        Arc::new(Self { places, ring: Mutex::default(), end: watch::Sender::new(Seq::ZERO) })
    }

    /// Takes a place for a stream of a caller. It is given back when the place is dropped.
    ///
    /// # Errors
    /// When the caller, or all together, have as many as there may be.
    pub fn enter(&self, caller: &str) -> Result<Place, NoPlace> {
        self.places.enter(caller)
    }

    /// Returns how many follow.
    pub fn count(&self) -> u32 {
        self.places.count()
    }

    /// Begins the ring where the log ends, or forgets it, where that is not so yet.
    fn open_or_close(&self, is_followed: bool, tail: &mut Tail) {
        let is_open = self.ring().read_from().is_some();
        if is_followed && !is_open {
            let head = tail.listen();
            self.ring().begin(head);
            self.publish_end();
        }
        if !is_followed && is_open {
            tail.leave();
            self.ring().clear();
        }
    }

    /// Takes what was published into the ring. Returns up to where the log has to be read first, if something is missing.
    fn take_in(&self, first: Next<Published>, tail: &mut Tail, head: impl Fn() -> Seq) -> Option<Seq> {
        let news = iter::once(first).chain(iter::from_fn(|| tail.try_next())).take(NEWS_AT_ONCE);
        let missing = {
            let mut ring = self.ring();
            news.map(|next| match next {
                Next::Item(published) => ring.push(published),
                Next::Lost(_) => Err(head()),
            })
            .find_map(Result::err)
        };
        self.publish_end();
        missing
    }

    /// Returns what comes after a place, of some topics, if the ring reaches back so far.
    pub fn take_events(&self, after: Seq, topics: &[Pattern]) -> Taken<Vec<Arc<Event>>> {
        self.ring().take_events(after, topics)
    }

    fn take_text(&self, after: Seq, topics: &[Pattern]) -> Taken<Bytes> {
        self.ring().take_text(after, topics)
    }

    /// Says where the ring ends, each time that there is more in it.
    pub fn ends(&self) -> watch::Receiver<Seq> {
        self.end.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_end(&self) {
        let end = self.ring().end();
        self.end.send_replace(end);
    }
}

/// Keeps the ring at the end of the log while somebody follows, until the server stops.
pub async fn run(app: Arc<App>, mut tail: Tail) {
    let mut followers = app.follow.places.watch();
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            changed = followers.changed() => {
                if changed.is_err() {
                    return;
                }
                let count = *followers.borrow_and_update();
                app.follow.open_or_close(count > 0, &mut tail);
            }
            next = tail.next() => {
                if let Some(to) = app.follow.take_in(next, &mut tail, || app.events.head()) {
                    catch_up(&app, to).await;
                }
            }
        }
    }
}

/// Reads what is between the ring and a place of the log.
async fn catch_up(app: &App, to: Seq) {
    let Some(mut after) = app.follow.ring().read_from() else { return };
    while after < to && !app.shutdown.is_cancelled() {
        match read_events(app, after, Vec::new(), ring::PAGE).await {
            Ok(page) => {
                after = page.end;
                app.follow.ring().append(page);
                app.follow.publish_end();
            }
            Err(error) => {
                tracing::warn!(error = Chain(&error).to_string(), "followers wait: the event log cannot be read");
                sleep(AGAIN_AFTER).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Feed, test_events::published};

    /// More than the queue to followers holds.
    const FLOOD: i64 = 10_000;

    #[tokio::test]
    async fn what_the_queue_lost_is_to_be_read_from_the_log_and_the_rest_is_taken() {
        let (hook, _feeding, mut tail) = Feed::open();
        let follow = Follow::new(1, 1);
        follow.open_or_close(true, &mut tail);
        hook(vec![published(1), published(2)]);
        let next = tail.next().await;
        assert_eq!(follow.take_in(next, &mut tail, || Seq(2)), None);
        assert_eq!(*follow.ends().borrow(), Seq(2));

        hook((3..=FLOOD).map(published).collect());
        let next = tail.next().await;
        assert_eq!(follow.take_in(next, &mut tail, || Seq(FLOOD)), Some(Seq(FLOOD)));
        assert_eq!(*follow.ends().borrow(), Seq(2));

        follow.open_or_close(false, &mut tail);
        assert_eq!(follow.take_text(Seq(2), &[]), Taken::Behind);
    }
}
