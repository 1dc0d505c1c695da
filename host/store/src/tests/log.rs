//! The log beside the database starts anew, whoever reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::{connection::SimpleConnection as _, prelude::*};
use tokio::time::Instant;

use super::fixture::{BUCKET, Fixture, StopOnDrop, set};
use crate::{Snapshot, Space, statement::LookAtLog};

/// The bound of the log in these tests.
const BOUND: u64 = 4 << 20;

/// What a commit writes: about four frames.
const VALUE_BYTES: usize = 10_000;

/// Far longer than anything takes, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

fn fixture(stands_still: bool) -> Fixture {
    Fixture::with(|options| {
        options.log_bytes_max = BOUND;
        options.readers = 8;
        options.switches.stands_still = stands_still;
    })
}

/// What came of writing.
#[derive(Debug, Default)]
struct Written {
    /// The longest that the log was, by the store's own word and on the disk.
    log_bytes: u64,
    file_bytes: u64,
    /// The longest that a commit took.
    slowest: Duration,
}

/// Writes so many bytes of values, one commit after the other.
fn write(fixture: &Fixture, space: &Arc<Space>, bytes: u64) -> Written {
    let mut written = Written::default();
    for number in 0..bytes / VALUE_BYTES as u64 {
        // Another one each time: what stays the same is not written.
        let value = format!("{number:0VALUE_BYTES$}");
        let started = Instant::now();
        fixture.write(space, vec![set(&(number % 50).to_string(), &value)]);
        written.slowest = written.slowest.max(started.elapsed());
        written.log_bytes = written.log_bytes.max(fixture.store.log_bytes());
        let file = std::fs::metadata(fixture.folder.path().join("backplane.sqlite-wal")).unwrap();
        written.file_bytes = written.file_bytes.max(file.len());
    }
    written
}

/// What came of reading.
#[derive(Debug, Default)]
struct Read {
    snapshots: usize,
    /// Those that could not be read.
    ended: usize,
    /// The longest that one took to open.
    slowest: Duration,
}

/// Keeps a snapshot open all along, though none for long: before one ends, the next one is open.
fn overlap(fixture: &Fixture, space: &Arc<Space>, over: &AtomicBool) -> Read {
    let mut read = Read::default();
    let mut open: Option<Snapshot> = None;
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        let mut next = fixture.snapshot(space, 0);
        read.slowest = read.slowest.max(started.elapsed());
        std::thread::sleep(Duration::from_millis(1));
        read.ended += usize::from(next.get(BUCKET, b"0").is_err());
        read.snapshots += 1;
        open = Some(next);
    }
    drop(open);
    // One that a busy machine kept from running for a second is ended too.
    assert!(read.snapshots > 20 && 10 * read.ended < read.snapshots, "{read:?}");
    read
}

/// Writes ten times the bound beside snapshots that overlap.
fn write_beside_overlapping_snapshots(fixture: &Fixture) -> (Written, Duration) {
    let (space, over) = (fixture.space("a"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stop = StopOnDrop(&over);
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| overlap(fixture, &space, &over))).collect();
        let written = write(fixture, &space, 10 * BOUND);
        drop(stop);
        (written, readers.into_iter().map(|reader| reader.join().unwrap().slowest).max().unwrap())
    })
}

/// Checks that nothing keeps the log from starting anew.
#[track_caller]
fn check_starts_anew(fixture: &Fixture, space: &Arc<Space>) {
    write(fixture, space, BOUND / 4);
    assert!(fixture.store.log_bytes() < BOUND / 4, "{}", fixture.store.log_bytes());
}

#[test]
fn stays_below_its_bound_beside_snapshots_that_overlap_without_end() {
    let (written, slowest_opening) = write_beside_overlapping_snapshots(&fixture(true));
    assert!(written.log_bytes < BOUND && written.file_bytes < BOUND, "{written:?}");
    // Neither does anybody wait for long.
    assert!(written.slowest.max(slowest_opening) < PATIENCE, "{written:?} {slowest_opening:?}");
}

#[test]
fn grows_past_its_bound_beside_them_when_the_writer_never_stands_still() {
    // The proof above can fail.
    let (written, _) = write_beside_overlapping_snapshots(&fixture(false));
    assert!(written.log_bytes > BOUND && written.file_bytes > BOUND, "{written:?}");
}

#[test]
fn starts_anew_where_nobody_reads_though_the_writer_never_stands_still() {
    let fixture = fixture(false);
    let written = write(&fixture, &fixture.space("a"), 10 * BOUND);
    assert!(written.log_bytes < BOUND / 2, "{written:?}");
}

#[test]
fn is_copied_beside_the_writer() {
    let (bound, bytes) = (64 << 20, 300_000);
    let fixture = Fixture::with(|options| options.log_bytes_max = bound);
    // More than the length at which a copy is asked for, and less than that at which the writer makes one itself.
    let written = write(&fixture, &fixture.space("a"), bytes);
    assert!(bound / 256 < written.log_bytes && written.log_bytes < bound / 64, "{written:?}");
    let mut other = fixture.other_connection();
    let started = Instant::now();
    loop {
        let (_, all, copied): (i64, i64, i64) = LookAtLog.get_result(&mut other).unwrap();
        // Or it was copied so soon that the log has started anew.
        if copied > 0 || all.unsigned_abs() < bytes / 4096 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{copied} of {all} frames are copied");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_snapshot_that_does_not_end_is_ended_at_the_bound_and_no_other_is() {
    let fixture = fixture(true);
    let (space, over) = (fixture.space("a"), AtomicBool::new(false));
    fixture.write(&space, vec![set("0", "before")]);
    let mut forgotten = fixture.snapshot(&space, 0);
    assert!(forgotten.get(BUCKET, b"0").unwrap().is_some());
    std::thread::scope(|scope| {
        let stop = StopOnDrop(&over);
        let reader = scope.spawn(|| overlap(&fixture, &space, &over));
        // It holds on for as long as there is room.
        write(&fixture, &space, BOUND / 2);
        assert_eq!(forgotten.get(BUCKET, b"0").unwrap().unwrap().value, b"before");
        let written = write(&fixture, &space, 5 * BOUND);
        assert!(written.log_bytes < BOUND * 5 / 4 && written.file_bytes < BOUND * 5 / 4, "{written:?}");
        assert!(written.slowest < PATIENCE, "{written:?}");
        drop(stop);
        reader.join().unwrap();
    });
    let ended = forgotten.get(BUCKET, b"0").unwrap_err();
    assert!(ended.0.to_string().contains("reached its bound"), "{ended:?}");
    drop(forgotten);
    check_starts_anew(&fixture, &space);
    // Its place is free again.
    let _all: Vec<_> = (0..6).map(|_| fixture.snapshot(&space, 0)).collect();
}

#[test]
fn a_snapshot_in_the_middle_of_a_query_is_waited_for() {
    let fixture = fixture(true);
    let space = fixture.space("a");
    std::thread::scope(|scope| {
        let (started, has_started) = std::sync::mpsc::channel();
        let fixture = &fixture;
        let reading = scope.spawn(move || {
            fixture.store.read(|_| {
                started.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(300));
                Ok::<_, crate::StoreError>(())
            })
        });
        has_started.recv().unwrap();
        let written = write(fixture, &space, 3 * BOUND);
        reading.join().unwrap().unwrap();
        assert!(written.slowest < PATIENCE, "{written:?}");
    });
    check_starts_anew(&fixture, &space);
}

#[test]
fn another_program_that_reads_is_not_ended_and_the_log_starts_anew_after_it() {
    let fixture = fixture(true);
    let space = fixture.space("a");
    fixture.write(&space, vec![set("0", "before")]);
    let mut other = fixture.other_connection();
    other.batch_execute("BEGIN; SELECT count(*) FROM kv").unwrap();
    let written = write(&fixture, &space, 3 * BOUND);
    assert!(written.log_bytes > 2 * BOUND, "{written:?}");
    assert!(written.slowest < PATIENCE, "{written:?}");
    other.batch_execute("SELECT count(*) FROM kv; COMMIT").unwrap();
    check_starts_anew(&fixture, &space);
    let file = std::fs::metadata(fixture.folder.path().join("backplane.sqlite-wal")).unwrap();
    assert!(file.len() < BOUND / 4, "the file keeps {} bytes", file.len());
}
