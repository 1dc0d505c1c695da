//! The log of events: how it is written and read.
//!
//! A page is found by walking the log, and the walk has a bound: where few events are of the lane and the topics that are
//! asked for, a page may hold none and say how far it got. There is no index of lanes: keeping it cost more than passing
//! rows by.

use diesel::{
    connection::DefaultLoadingMode,
    dsl::{max, min},
    prelude::*,
};

use super::event::{Event, EventRow, NewEvent};
use crate::{
    error::StoreError,
    schema::{counters, events},
    statement::{find_number, write},
};

/// The counter of [`events_kept_from`].
pub(super) const KEPT_FROM: &str = "events_kept_from";
/// Places that the walk for one page passes at most.
const WALK_MAX: i64 = 20_000;
/// After every text that a topic can be.
const TOPICS_END: &str = "\u{10ffff}";

/// Topics of events that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topics<'a> {
    /// All.
    All,
    /// This one.
    Exact(&'a str),
    /// Those that begin with this one and a dot.
    Below(&'a str),
}

/// Events to read from the log.
#[derive(Debug, Clone, Copy)]
pub struct LogRead<'a> {
    /// Those of one lane; all where it is `None`.
    pub lane: Option<u8>,
    /// Those of these topics.
    pub topics: Topics<'a>,
    /// Those behind this place.
    pub after: i64,
    /// At most so many.
    pub events_max: usize,
    /// At most so many bytes ([`Event::bytes`]), but one event where there is one.
    pub bytes_max: usize,
}

/// Events of the log, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The events.
    pub events: Vec<Event>,
    /// Up to here nothing that was asked for is missing: the place to go on from. Where there is no more, it is the
    /// newest event of the whole log, or [`LogRead::after`] where that is further.
    pub end: i64,
    /// Whether there may be more behind it.
    pub more: bool,
    /// Every event before this place may have been deleted by age or size. 0 while none was.
    pub kept_from: i64,
}

/// Places of the log and their events; `None` is an event that is not kept any more.
pub type FoundEvents = Vec<(i64, Option<Event>)>;

/// Returns the newest event's place, 0 without any.
///
/// # Errors
/// When the database cannot be read.
pub fn event_head(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(head(connection)?)
}

/// Returns the place behind the newest event that was deleted by age or size, 0 while none was.
///
/// # Errors
/// When the database cannot be read.
pub fn events_kept_from(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(kept_from(connection)?)
}

/// Reads a page of the log.
///
/// # Errors
/// When the database cannot be read.
pub fn read_events(connection: &mut SqliteConnection, read: LogRead<'_>) -> Result<LogPage, StoreError> {
    let (head, kept_from) = (head(connection)?, kept_from(connection)?);
    let mut page = LogPage { events: Vec::new(), end: head.max(read.after), more: false, kept_from };
    // Deleted events leave a wide gap at the beginning, which is not walked.
    let Some(first) = first_after(connection, read.after)? else { return Ok(page) };
    let walk_end = first.saturating_add(WALK_MAX);
    fill(connection, read, walk_end, &mut page)?;
    if !page.more && walk_end < head {
        page.more = true;
        page.end = walk_end;
    }
    Ok(page)
}

/// Finds events by their places, in the order asked for. The answer may be shorter than the question when it would pass
/// `bytes_max`, but has one entry at least.
///
/// # Errors
/// When the database cannot be read.
pub fn find_events(
    connection: &mut SqliteConnection,
    places: &[i64],
    bytes_max: usize,
) -> Result<FoundEvents, StoreError> {
    let mut found = FoundEvents::new();
    let mut bytes = 0_usize;
    for seq in places {
        let row = events::table.find(seq).select(EventRow::as_select()).get_result(connection).optional()?;
        let event = row.map(Event::from);
        bytes = bytes.saturating_add(event.as_ref().map_or(0, Event::bytes));
        if bytes > bytes_max && !found.is_empty() {
            break;
        }
        found.push((*seq, event));
    }
    Ok(found)
}

pub(crate) fn head(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let newest: Option<i64> = events::table.select(max(events::seq)).get_result(connection)?;
    // The newest may be deleted, its place is not handed out again.
    let deleted = kept_from(connection)? - 1;
    Ok(newest.unwrap_or_default().max(deleted))
}

pub(super) fn kept_from(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let found = counters::table.find(KEPT_FROM).select(counters::value).get_result(connection).optional()?;
    Ok(found.unwrap_or_default())
}

/// Returns the first event behind a place.
fn first_after(connection: &mut SqliteConnection, after: i64) -> QueryResult<Option<i64>> {
    events::table.filter(events::seq.gt(after)).select(min(events::seq)).get_result(connection)
}

fn fill(
    connection: &mut SqliteConnection,
    read: LogRead<'_>,
    walk_end: i64,
    page: &mut LogPage,
) -> Result<(), StoreError> {
    let (from, to) = read.topics.half_open();
    let (walked, of_topics) =
        (events::seq.gt(read.after).and(events::seq.le(walk_end)), events::topic.ge(from).and(events::topic.lt(to)));
    // No `LIMIT`: SQLite compiles a statement anew when that is given another value, or the same one again.
    let in_order = events::table.filter(walked).order(events::seq).select(EventRow::as_select());
    match read.lane {
        Some(lane) => {
            // The number first: most rows are passed by for it.
            let wanted = in_order.filter(events::lane.eq(i64::from(lane)).and(of_topics));
            take_page(wanted.load_iter::<_, DefaultLoadingMode>(connection)?, read, page)
        }
        None => take_page(in_order.filter(of_topics).load_iter::<_, DefaultLoadingMode>(connection)?, read, page),
    }
}

fn take_page(
    found: impl Iterator<Item = QueryResult<EventRow>>,
    read: LogRead<'_>,
    page: &mut LogPage,
) -> Result<(), StoreError> {
    let mut bytes = 0_usize;
    for row in found {
        let event = Event::from(row?);
        bytes = bytes.saturating_add(event.bytes());
        let is_full = page.events.len() >= read.events_max.max(1) || bytes > read.bytes_max;
        if let Some(last) = page.events.last().filter(|_| is_full) {
            (page.end, page.more) = (last.seq, true);
            break;
        }
        page.events.push(event);
    }
    Ok(())
}

/// Writes an event to its place.
pub(crate) fn append(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    event: &NewEvent,
    seq: i64,
    now_ms: i64,
) -> QueryResult<()> {
    enum Append {}
    let insert = diesel::insert_into(events::table).values((
        (
            events::seq.eq(seq),
            events::plugin_id.eq(plugin_id),
            events::publisher.eq(event.publisher()),
            events::is_given.eq(i64::from(event.is_given)),
            events::id.eq(&*event.id),
            events::source.eq(&*event.source),
            events::topic.eq(&*event.topic),
        ),
        (
            events::key.eq(event.key.as_deref()),
            events::lane.eq(i64::from(event.lane)),
            events::time_ms.eq(event.time_ms),
            events::stored_at_ms.eq(now_ms),
            events::content_type.eq(&*event.content_type),
            events::trace_parent.eq(event.trace_parent.as_deref()),
            events::payload.eq(&*event.payload),
        ),
    ));
    write::<Append>(connection, insert)
}

/// Returns the place of the event that its publisher gave the same id before.
pub(crate) fn find_given(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    event: &NewEvent,
) -> QueryResult<Option<i64>> {
    enum FindGiven {}
    let query = events::table
        .filter(events::plugin_id.eq(plugin_id).and(events::publisher.eq(event.publisher())))
        .filter(events::source.eq(&*event.source).and(events::id.eq(&*event.id)))
        // As the index says it, not as a value: SQLite uses a partial index only where it sees that it may.
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("is_given = 1"))
        .select(events::seq);
    find_number::<FindGiven>(connection, query)
}

impl Topics<'_> {
    /// Returns the bounds that all of them, and nothing else that is a topic, are within.
    fn half_open(self) -> (String, String) {
        match self {
            Self::All => (String::new(), TOPICS_END.to_owned()),
            Self::Exact(topic) => (topic.to_owned(), format!("{topic}\0")),
            // The character after the dot.
            Self::Below(topic) => (format!("{topic}."), format!("{topic}/")),
        }
    }

    /// Returns whether a topic is one of them.
    pub fn contains(self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(wanted) => topic == wanted,
            Self::Below(above) => topic.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')),
        }
    }
}
