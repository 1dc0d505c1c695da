//! The newest events, to be written as followers get them.
//!
//! It has no gap: everything of the log between its start and its end is in it. Where the log has one, because events
//! were deleted before they were read, it begins anew behind that. It knows no clock and does no I/O.

use std::{collections::VecDeque, sync::Arc};

use backplane_events::{Event, LogPage, Pattern, Published, Seq};
use bytes::{Bytes, BytesMut};

use super::log::{PageBounds, to_json};

/// Most events in memory.
const EVENTS_MAX: usize = 8192;
/// Most bytes of them, as they are.
const BYTES_MAX: usize = 16 << 20;
/// Bytes that a follower takes at once, and one event of any size.
const TAKE_BYTES: usize = 64 << 10;
/// Events that a follower looks at at once.
const TAKE_LOOKS: usize = 1024;

/// What the feed reads at once.
pub(super) const PAGE: PageBounds = PageBounds { events_max: 512, bytes_max: 2 << 20 };

/// An event as it is sent.
#[derive(Debug)]
pub struct Line {
    /// Its place.
    seq: Seq,
    /// The event as one line of JSON.
    pub json: Bytes,
}

/// An event of the ring, and as it is sent once somebody took it.
#[derive(Debug)]
struct Entry {
    event: Arc<Event>,
    line: Option<Line>,
}

impl Entry {
    /// Returns about the memory that it takes.
    fn bytes(&self) -> usize {
        self.event.bytes() + self.line.as_ref().map_or(0, |line| line.json.len())
    }

    fn line(&mut self) -> &Line {
        self.line.get_or_insert_with(|| Line::new(&self.event))
    }
}

impl Line {
    pub(super) fn new(event: &Event) -> Self {
        Self { seq: event.seq, json: to_json(event).into() }
    }

    /// Writes it as one event of a stream.
    pub(super) fn write(&self, stream: &mut BytesMut) {
        let Seq(seq) = self.seq;
        stream.extend_from_slice(format!("id: {seq}\ndata: ").as_bytes());
        stream.extend_from_slice(&self.json);
        stream.extend_from_slice(b"\n\n");
    }
}

/// The newest events.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Everything after this place, up to `end`, is here. `None` while nobody follows.
    start: Option<Seq>,
    end: Seq,
}

/// What a follower finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// What is next for it lies before the ring.
    Behind,
    /// These events, none or some.
    Up {
        /// Everything up to here was looked at.
        to: Seq,
        /// The events.
        found: T,
        /// Whether there are no more.
        is_end: bool,
    },
}

impl Default for Ring {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, start: None, end: Seq::ZERO }
    }
}

impl Ring {
    /// Begins behind a place of the log.
    pub(super) fn begin(&mut self, head: Seq) {
        *self = Self { start: Some(head), end: head, ..Self::default() };
    }

    /// Forgets everything: nobody follows.
    pub(super) fn clear(&mut self) {
        *self = Self { end: self.end, ..Self::default() };
    }

    /// Returns behind which place the log follows; `None` where it has not begun.
    pub(super) fn read_from(&self) -> Option<Seq> {
        self.start.map(|_start| self.end)
    }

    /// Adds an event that was published, unless it is here, or nobody follows.
    ///
    /// # Errors
    /// Returns its place when there are others before it that are not here: the log is to be read to there.
    pub(super) fn push(&mut self, published: Published) -> Result<(), Seq> {
        let Published { event, after } = published;
        if self.start.is_none() || event.seq <= self.end {
            return Ok(());
        }
        if after > self.end {
            return Err(event.seq);
        }
        self.end = event.seq;
        self.add(event);
        self.make_room();
        Ok(())
    }

    /// Adds what follows in the log.
    pub(super) fn append(&mut self, page: LogPage) {
        if self.start.is_none() {
            return;
        }
        if page.kept_from.0 > self.end.0 + 1 {
            // Whoever comes for what was deleted reads the log, and is told.
            return self.begin(page.end);
        }
        self.end = self.end.max(page.end);
        page.events.into_iter().for_each(|event| self.add(event));
        self.make_room();
    }

    fn add(&mut self, event: Arc<Event>) {
        self.bytes += event.bytes();
        self.entries.push_back(Entry { event, line: None });
    }

    fn make_room(&mut self) {
        while self.entries.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.start = Some(oldest.event.seq);
        }
    }

    pub(super) fn end(&self) -> Seq {
        self.end
    }

    /// Returns what comes after a place, of some topics, as a stream has it.
    pub(super) fn take_text(&mut self, after: Seq, topics: &[Pattern]) -> Taken<Bytes> {
        let mut text = BytesMut::new();
        let walked = self.walk(after, topics, |entry| {
            let line = entry.line();
            let fits = text.is_empty() || text.len() + line.json.len() <= TAKE_BYTES;
            if fits {
                line.write(&mut text);
            }
            fits
        });
        walked.map_or(Taken::Behind, |(to, is_end)| Taken::Up { to, found: text.freeze(), is_end })
    }

    /// As [`Ring::take_text`], with the events themselves.
    pub(super) fn take_events(&mut self, after: Seq, topics: &[Pattern]) -> Taken<Vec<Arc<Event>>> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let walked = self.walk(after, topics, |entry| {
            bytes += entry.event.bytes();
            let fits = found.is_empty() || bytes <= TAKE_BYTES;
            if fits {
                found.push(Arc::clone(&entry.event));
            }
            fits
        });
        walked.map_or(Taken::Behind, |(to, is_end)| Taken::Up { to, found, is_end })
    }

    /// Hands what comes after a place, of some topics, to `take`, until it says that it takes no more. Returns up to where
    /// everything was looked at, and whether that is the end; `None` where the place lies before the ring.
    fn walk(
        &mut self,
        after: Seq,
        topics: &[Pattern],
        mut take: impl FnMut(&mut Entry) -> bool,
    ) -> Option<(Seq, bool)> {
        self.start.filter(|start| after >= *start)?;
        let (mut to, mut is_end) = (after, true);
        let first = self.entries.partition_point(|entry| entry.event.seq <= after);
        for (looks, entry) in self.entries.range_mut(first..).enumerate() {
            let is_wanted = looks < TAKE_LOOKS && topics.iter().any(|topics| topics.matches(&entry.event.topic));
            let bytes_before = entry.bytes();
            if looks == TAKE_LOOKS || is_wanted && !take(entry) {
                is_end = false;
            }
            self.bytes += entry.bytes() - bytes_before;
            if !is_end {
                break;
            }
            to = entry.event.seq;
        }
        self.make_room();
        Some((if is_end { to.max(self.end) } else { to }, is_end))
    }
}

#[cfg(test)]
mod tests {
    use backplane_events::{Lane, Topic, UnixMs};

    use super::*;

    fn event(seq: i64, topic: &str, bytes: usize) -> Arc<Event> {
        Arc::new(Event {
            seq: Seq(seq),
            id: "id".into(),
            source: "/plugins/a".into(),
            topic: Topic::new(topic).expect("a topic"),
            key: None,
            lane: Lane::of(None, "id"),
            time: UnixMs(0),
            content_type: "text/plain".into(),
            payload: vec![b' '; bytes].into(),
            trace_parent: None,
        })
    }

    fn published(seq: i64, after: i64) -> Published {
        Published { event: event(seq, "a", 0), after: Seq(after) }
    }

    fn page(events: Vec<Arc<Event>>, end: i64) -> LogPage {
        LogPage { events, end: Seq(end), more: false, kept_from: Seq::ZERO }
    }

    fn ring(head: i64) -> Ring {
        let mut ring = Ring::default();
        ring.begin(Seq(head));
        ring
    }

    /// Returns the places in what a follower is sent.
    fn places(text: &[u8]) -> Vec<i64> {
        let lines = std::str::from_utf8(text).expect("text").lines();
        lines.filter_map(|line| line.strip_prefix("id: ")).map(|place| place.parse().expect("a place")).collect()
    }

    #[track_caller]
    fn check(ring: &mut Ring, after: i64, topics: &str, to: i64, expected: &[i64], is_end: bool) {
        match ring.take_text(Seq(after), &[Pattern::new(topics).expect("a pattern")]) {
            Taken::Up { to: Seq(up_to), found, is_end: was_end } => {
                assert_eq!((up_to, &*places(&found), was_end), (to, expected, is_end));
            }
            Taken::Behind => panic!("{after} is behind"),
        }
    }

    #[test]
    fn a_follower_takes_what_is_of_its_topics_and_is_behind_all_of_it() {
        let mut ring = ring(10);
        check(&mut ring, 10, "*", 10, &[], true);
        // A place that nobody has yet: the log page was read after the ring.
        check(&mut ring, 12, "*", 12, &[], true);
        ring.append(page(vec![event(11, "a", 0), event(13, "b", 0)], 14));
        check(&mut ring, 10, "*", 14, &[11, 13], true);
        check(&mut ring, 10, "b", 14, &[13], true);
        check(&mut ring, 11, "a", 14, &[], true);
        check(&mut ring, 14, "*", 14, &[], true);
        assert_eq!(ring.take_text(Seq(9), &[]), Taken::Behind);
    }

    #[test]
    fn begins_anew_behind_what_was_deleted_before_it_was_read() {
        let mut ring = ring(10);
        ring.append(page(vec![event(11, "a", 0)], 11));
        // Nothing that it has not read is gone.
        ring.append(LogPage { kept_from: Seq(12), ..page(vec![event(12, "a", 0)], 12) });
        check(&mut ring, 10, "*", 12, &[11, 12], true);
        ring.append(LogPage { kept_from: Seq(14), ..page(vec![event(14, "a", 0)], 14) });
        assert_eq!(
            [10, 12, 13].map(|after| ring.take_text(Seq(after), &[])),
            [Taken::Behind, Taken::Behind, Taken::Behind]
        );
        ring.append(LogPage { kept_from: Seq(14), ..page(vec![event(15, "a", 0)], 15) });
        check(&mut ring, 14, "*", 15, &[15], true);
    }

    #[test]
    fn events_are_taken_as_they_are_as_far_as_they_fit() {
        let mut ring = ring(0);
        ring.append(page(vec![event(1, "a", TAKE_BYTES), event(2, "b", 0), event(3, "a", 1)], 4));
        let mut take = |after, topics| match ring.take_events(Seq(after), &[Pattern::new(topics).expect("a pattern")]) {
            Taken::Up { to, found, is_end } => {
                (to.0, found.iter().map(|event| event.seq.0).collect::<Vec<_>>(), is_end)
            }
            Taken::Behind => panic!("{after} is behind"),
        };
        assert_eq!(take(0, "*"), (1, vec![1], false));
        assert_eq!(take(0, "a"), (2, vec![1], false));
        assert_eq!(take(1, "*"), (4, vec![2, 3], true));
        assert_eq!(take(4, "*"), (4, vec![], true));
    }

    #[test]
    fn takes_are_bounded() {
        let mut ring = ring(0);
        let big = (1..=3).map(|seq| event(seq, "a", TAKE_BYTES)).collect();
        ring.append(page(big, 3));
        check(&mut ring, 0, "*", 1, &[1], false);
        check(&mut ring, 1, "*", 2, &[2], false);
        let mut ring = self::ring(0);
        let many = (1..=TAKE_LOOKS as i64 + 1).map(|seq| event(seq, "a", 0)).collect();
        ring.append(page(many, TAKE_LOOKS as i64 + 1));
        check(&mut ring, 0, "b", TAKE_LOOKS as i64, &[], false);
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let mut ring = ring(0);
        let last = EVENTS_MAX as i64 + 5;
        ring.append(page((1..=last).map(|seq| event(seq, "a", 0)).collect(), last));
        assert_eq!(ring.take_text(Seq(4), &[]), Taken::Behind);
        assert!(matches!(ring.take_text(Seq(5), &[]), Taken::Up { .. }));
        ring.append(page((1..=20).map(|by| event(last + by, "a", BYTES_MAX / 10)).collect(), last + 20));
        assert!(ring.bytes <= BYTES_MAX && ring.entries.len() == 9);
    }

    #[test]
    fn what_followers_took_counts_as_it_was_written() {
        let mut ring = ring(0);
        ring.append(page((1..=20).map(|seq| event(seq, "a", BYTES_MAX / 30)).collect(), 20));
        let before = ring.bytes;
        check(&mut ring, 0, "*", 1, &[1], false);
        check(&mut ring, 0, "*", 1, &[1], false);
        assert!(ring.bytes > before + BYTES_MAX / 30);
        for seq in 1..20 {
            let _taken = ring.take_text(Seq(seq), &[Pattern::new("*").expect("a pattern")]);
        }
        assert!(ring.bytes <= BYTES_MAX && ring.entries.len() < 20);
        assert_eq!(ring.bytes, ring.entries.iter().map(Entry::bytes).sum::<usize>());
    }

    #[test]
    fn takes_what_is_published_in_its_order_and_asks_for_what_is_missing() {
        let mut ring = ring(10);
        assert_eq!(ring.push(published(9, 8)), Ok(()));
        assert_eq!(ring.push(published(11, 10)), Ok(()));
        assert_eq!(ring.push(published(14, 13)), Err(Seq(14)));
        check(&mut ring, 10, "*", 11, &[11], true);
        ring.append(page(vec![event(13, "a", 0), event(14, "a", 0)], 14));
        assert_eq!([ring.push(published(14, 13)), ring.push(published(15, 14))], [Ok(()), Ok(())]);
        check(&mut ring, 10, "*", 15, &[11, 13, 14, 15], true);
    }

    #[test]
    fn it_is_empty_while_nobody_follows() {
        let mut ring = ring(0);
        ring.append(page(vec![event(1, "a", 0)], 1));
        assert_eq!(ring.read_from(), Some(Seq(1)));
        ring.clear();
        assert_eq!((ring.read_from(), ring.take_text(Seq(1), &[])), (None, Taken::Behind));
        ring.append(page(vec![event(2, "a", 0)], 2));
        assert_eq!(ring.push(published(3, 2)), Ok(()));
        assert!(ring.entries.is_empty());
        ring.begin(Seq(7));
        check(&mut ring, 7, "*", 7, &[], true);
    }
}
