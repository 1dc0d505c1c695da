//! The newest events, written as followers get them.
//!
//! It has no gap: everything of the log between its start and its end is in it. Where the log has one, because events
//! were deleted before they were read, it begins anew behind that. It knows no clock and does no I/O.

use std::{collections::VecDeque, sync::Arc};

use backplane_events::{Pattern, Seq, Topic};
use bytes::{Bytes, BytesMut};

use super::log::{LogPage, PageBounds};

/// Most events in memory.
const EVENTS_MAX: usize = 8192;
/// Most bytes of them, as they are written.
const BYTES_MAX: usize = 16 << 20;
/// Bytes that a follower takes at once, and one event of any size.
const TAKE_BYTES: usize = 64 << 10;
/// Events that a follower looks at at once.
const TAKE_LOOKS: usize = 1024;

/// What the feed reads at once.
pub(super) const PAGE: PageBounds = PageBounds { events_max: 512, bytes_max: 2 << 20 };

/// An event as it is read.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its place.
    pub seq: Seq,
    /// What it is about.
    pub topic: Topic,
    /// The event as one line of JSON.
    pub json: Bytes,
}

impl Line {
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
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    /// Everything after this place, up to `end`, is here. `None` while nobody follows.
    start: Option<Seq>,
    end: Seq,
}

/// What a follower finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// What is next for it lies before the ring.
    Behind,
    /// These events, none or some. Everything up to `to` was looked at.
    Up { to: Seq, text: Bytes, is_end: bool },
}

impl Default for Ring {
    fn default() -> Self {
        Self { lines: VecDeque::new(), bytes: 0, start: None, end: Seq::ZERO }
    }
}

impl Ring {
    /// Begins at the end of the log, where it has not begun. Returns where to read on.
    pub(super) fn begin(&mut self, head: Seq) -> Option<Seq> {
        if self.start.is_none() {
            (self.start, self.end) = (Some(head), head);
            return None;
        }
        Some(self.end)
    }

    /// Forgets everything: nobody follows.
    pub(super) fn clear(&mut self) {
        *self = Self { end: self.end, ..Self::default() };
    }

    /// Adds what follows in the log.
    pub(super) fn append(&mut self, page: LogPage) {
        if self.start.is_none() {
            return;
        }
        if page.kept_from.0 > self.end.0 + 1 {
            // Whoever comes for what was deleted reads the log, and is told.
            *self = Self { start: Some(page.end), end: page.end, ..Self::default() };
            return;
        }
        self.end = self.end.max(page.end);
        for line in page.events {
            self.bytes += line.json.len();
            self.lines.push_back(Arc::new(line));
        }
        while self.lines.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.json.len();
            self.start = Some(oldest.seq);
        }
    }

    pub(super) fn end(&self) -> Seq {
        self.end
    }

    /// Returns what comes after a place, of some topics.
    pub(super) fn take(&self, after: Seq, topics: &[Pattern]) -> Taken {
        if self.start.is_none_or(|start| after < start) {
            return Taken::Behind;
        }
        let first = self.lines.partition_point(|line| line.seq <= after);
        let mut text = BytesMut::new();
        let (mut to, mut looks) = (after, 0);
        for line in self.lines.iter().skip(first) {
            let is_wanted = topics.iter().any(|topics| topics.matches(&line.topic));
            if looks == TAKE_LOOKS || is_wanted && !text.is_empty() && text.len() + line.json.len() > TAKE_BYTES {
                return Taken::Up { to, text: text.freeze(), is_end: false };
            }
            if is_wanted {
                line.write(&mut text);
            }
            (to, looks) = (line.seq, looks + 1);
        }
        Taken::Up { to: to.max(self.end), text: text.freeze(), is_end: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: i64, topic: &str, bytes: usize) -> Line {
        Line { seq: Seq(seq), topic: Topic::new(topic).expect("a topic"), json: " ".repeat(bytes).into() }
    }

    fn page(events: Vec<Line>, end: i64) -> LogPage {
        LogPage { events, end: Seq(end), more: false, kept_from: Seq::ZERO }
    }

    fn ring(head: i64) -> Ring {
        let mut ring = Ring::default();
        assert_eq!(ring.begin(Seq(head)), None);
        ring
    }

    #[track_caller]
    fn check(ring: &Ring, after: i64, topics: &str, to: i64, expected: &[i64], is_end: bool) {
        let taken = ring.take(Seq(after), &[Pattern::new(topics).expect("a pattern")]);
        let text = expected.iter().map(|seq| format!("id: {seq}\ndata: \n\n")).collect::<String>().into();
        assert_eq!(taken, Taken::Up { to: Seq(to), text, is_end });
    }

    #[test]
    fn a_follower_takes_what_is_of_its_topics_and_is_behind_all_of_it() {
        let mut ring = ring(10);
        check(&ring, 10, "*", 10, &[], true);
        // A place that nobody has yet: the log page was read after the ring.
        check(&ring, 12, "*", 12, &[], true);
        ring.append(page(vec![line(11, "a", 0), line(13, "b", 0)], 14));
        check(&ring, 10, "*", 14, &[11, 13], true);
        check(&ring, 10, "b", 14, &[13], true);
        check(&ring, 11, "a", 14, &[], true);
        check(&ring, 14, "*", 14, &[], true);
        assert_eq!(ring.take(Seq(9), &[]), Taken::Behind);
    }

    #[test]
    fn begins_anew_behind_what_was_deleted_before_it_was_read() {
        let mut ring = ring(10);
        ring.append(page(vec![line(11, "a", 0)], 11));
        // Nothing that it has not read is gone.
        ring.append(LogPage { kept_from: Seq(12), ..page(vec![line(12, "a", 0)], 12) });
        check(&ring, 10, "*", 12, &[11, 12], true);
        ring.append(LogPage { kept_from: Seq(14), ..page(vec![line(14, "a", 0)], 14) });
        assert_eq!([10, 12, 13].map(|after| ring.take(Seq(after), &[])), [Taken::Behind, Taken::Behind, Taken::Behind]);
        ring.append(LogPage { kept_from: Seq(14), ..page(vec![line(15, "a", 0)], 15) });
        check(&ring, 14, "*", 15, &[15], true);
    }

    #[test]
    fn takes_are_bounded() {
        let mut ring = ring(0);
        let big = (1..=3).map(|seq| line(seq, "a", TAKE_BYTES)).collect();
        ring.append(page(big, 3));
        let mut text = BytesMut::new();
        line(1, "a", TAKE_BYTES).write(&mut text);
        let text = text.freeze();
        let all = [Pattern::new("*").expect("a pattern")];
        assert_eq!(ring.take(Seq(0), &all), Taken::Up { to: Seq(1), text, is_end: false });
        let mut ring = self::ring(0);
        let many = (1..=TAKE_LOOKS as i64 + 1).map(|seq| line(seq, "a", 0)).collect();
        ring.append(page(many, TAKE_LOOKS as i64 + 1));
        check(&ring, 0, "b", TAKE_LOOKS as i64, &[], false);
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let mut ring = ring(0);
        let last = EVENTS_MAX as i64 + 5;
        ring.append(page((1..=last).map(|seq| line(seq, "a", 0)).collect(), last));
        assert_eq!(ring.take(Seq(4), &[]), Taken::Behind);
        assert!(matches!(ring.take(Seq(5), &[]), Taken::Up { .. }));
        ring.append(page((1..=20).map(|by| line(last + by, "a", BYTES_MAX / 10)).collect(), last + 20));
        assert!(ring.bytes <= BYTES_MAX && ring.lines.len() == 10);
    }

    #[test]
    fn it_is_empty_while_nobody_follows() {
        let mut ring = ring(0);
        ring.append(page(vec![line(1, "a", 0)], 1));
        assert_eq!(ring.begin(Seq(5)), Some(Seq(1)));
        ring.clear();
        assert_eq!(ring.take(Seq(1), &[]), Taken::Behind);
        ring.append(page(vec![line(2, "a", 0)], 2));
        assert!(ring.lines.is_empty());
        assert_eq!(ring.begin(Seq(7)), None);
        check(&ring, 7, "*", 7, &[], true);
    }
}
