//! Reading the log for those who follow it, and for those who page through it: events as they are sent.

use std::sync::Arc;

use backplane_events::{Event, EventKey, LogPage, Pattern, Seq};
use backplane_store::{
    Connection, StoreError,
    events::{self as stored, LogRead, Topics},
};

use super::ring::Line;
use crate::{
    adapters,
    app::App,
    cloud_events::{Outgoing, render},
};

/// How much is read at once.
#[derive(Debug, Clone, Copy)]
pub struct PageBounds {
    /// At most so many events.
    pub events_max: usize,
    /// At most so many bytes, but one event where there is one.
    pub bytes_max: usize,
}

/// A [`LogPage`] whose events are written as they are sent.
#[derive(Debug)]
pub struct LinesPage {
    /// The events.
    pub events: Vec<Line>,
    /// Up to here nothing that was asked for is missing.
    pub end: Seq,
    /// Whether there are more behind it.
    pub more: bool,
    /// Every event before this one may have been deleted.
    pub kept_from: Seq,
}

/// Reads what comes after a place, of some topics; of all where there are none. A page may hold few events, or none, and
/// say that there are more.
///
/// # Errors
/// When the database cannot be read.
pub async fn read_lines(
    app: &App,
    after: Seq,
    topics: Vec<Pattern>,
    bounds: PageBounds,
) -> Result<LinesPage, StoreError> {
    let written = move |connection: &mut Connection| {
        let LogPage { events, end, more, kept_from } = read(connection, after, &topics, bounds)?;
        let events = events.iter().map(|event| Line::new(event)).collect();
        Ok(LinesPage { events, end, more, kept_from })
    };
    app.events.read(written).await
}

/// As [`read_lines`], with events that are not written yet.
///
/// # Errors
/// When the database cannot be read.
pub async fn read_events(
    app: &App,
    after: Seq,
    topics: Vec<Pattern>,
    bounds: PageBounds,
) -> Result<LogPage, StoreError> {
    app.events.read(move |connection| read(connection, after, &topics, bounds)).await
}

fn read(
    connection: &mut Connection,
    after: Seq,
    topics: &[Pattern],
    bounds: PageBounds,
) -> Result<LogPage, StoreError> {
    // Of several patterns the log is read whole, and looked through here.
    let of = match topics {
        [pattern] => adapters::topics(pattern.shape()),
        _ => Topics::All,
    };
    let PageBounds { events_max, bytes_max } = bounds;
    let page =
        stored::read_events(connection, LogRead { lane: None, topics: of, after: after.0, events_max, bytes_max })?;
    let is_wanted =
        |event: &Arc<Event>| topics.is_empty() || topics.iter().any(|pattern| pattern.matches(&event.topic));
    // One that is none here was written by a later version: nobody here can have asked for it.
    let events = page.events.into_iter().filter_map(|event| adapters::event(event).ok()).filter(is_wanted).collect();
    Ok(LogPage { events, end: Seq(page.end), more: page.more, kept_from: Seq(page.kept_from) })
}

/// Writes an event as one line of JSON.
pub fn to_json(event: &Event) -> Vec<u8> {
    render(&Outgoing {
        seq: event.seq.0,
        id: &event.id,
        source: &event.source,
        topic: event.topic.as_str(),
        key: event.key.as_ref().map(EventKey::as_str),
        time_ms: event.time.0,
        content_type: &event.content_type,
        payload: &event.payload,
        trace_parent: event.trace_parent.as_deref(),
    })
}
