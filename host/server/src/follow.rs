//! Following topics live: one feed reads the end of the log for everybody, and each follower takes from it at its own
//! pace.
//!
//! The [`feed`](run) keeps the newest events in a [`Ring`], written once, for as long as somebody follows. A follower has
//! a place in the log and nothing else: what it asks for lies in the ring or, further back, is read from the log a page
//! at a time. So a slow follower costs no more than a quick one. One that was at the end and falls out of the ring, or
//! that takes nothing for 20 s, is sent away with the reason; it comes back with the id of its last
//! event and misses nothing.
//!
//! This module does not know who may follow what.

mod log;
mod places;
mod ring;
mod stream;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane_events::{Pattern, Seq};
use tokio::{sync::watch, time::sleep};

use self::ring::{Ring, Taken};
pub use self::{
    log::{EventsPage, LogPage, PageBounds, read_events, read_page, to_json},
    places::{NoPlace, Place, Places},
    stream::{Asked, follow},
};
use crate::{app::App, problem::Chain};

/// How long the feed waits after a read of the log that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

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

    fn take(&self, after: Seq, topics: &[Pattern]) -> Taken {
        self.ring().take(after, topics)
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
pub async fn run(app: Arc<App>) {
    let mut heads = app.events.heads();
    let mut followers = app.follow.places.watch();
    loop {
        let changed = async {
            tokio::select! {
                changed = heads.changed() => changed.is_ok(),
                changed = followers.changed() => changed.is_ok(),
            }
        };
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            is_there = changed => if !is_there { return },
        }
        let head = *heads.borrow_and_update();
        let count = *followers.borrow_and_update();
        match count {
            0 => app.follow.ring().clear(),
            _ => catch_up(&app, head).await,
        }
    }
}

/// Reads what is between the ring and the end of the log.
async fn catch_up(app: &App, head: Seq) {
    let Some(mut after) = app.follow.ring().begin(head) else { return app.follow.publish_end() };
    while after < head && !app.shutdown.is_cancelled() {
        match read_page(app, after, Vec::new(), ring::PAGE).await {
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
