//! The write-ahead log: kept within its bound, whoever reads.
//!
//! SQLite appends to the log and copies it into the database meanwhile. It starts the log anew only at a moment when all
//! of it is copied and nobody reads from it. Snapshots that overlap without end put that off for ever, so now and then
//! the writer makes such a moment: it stands still for as long as it takes the snapshots that are open to end. New ones
//! open meanwhile and wait for nobody.
//!
//! - From a sixteenth of the bound on it does so each time the log has doubled, and waits twice as long as before. It does
//!   not wait where a snapshot was open for longer than that already.
//! - At the bound it ends the snapshots that did not end in time. So one that is slow costs itself, and nobody else.
//! - What another process reads cannot be ended. The log grows until it has; a warning says so.
//!
//! The [`Copier`] copies a part of the log at a time, beside the writer. The writer itself copies the little that is left
//! when the log has come to some length, between two batches, so that there is such a moment where nobody reads.

use std::{thread, time::Duration};

use diesel::prelude::*;
use tokio::time::Instant;

use super::copier::Copier;
use crate::{
    connection::WriterSettings,
    error::StoreError,
    open_snapshots::OpenSnapshots,
    statement::{CopyLog, LookAtLog, PageSize},
};

/// Of the bound, what the log grows by before it is copied, a *piece*; whoever commits while a piece goes to the disk waits
/// for it, so it has no more than [`PIECE_BYTES_MAX`].
const PIECES: u64 = 256;
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// Pieces that it grows by before the writer copies what is left.
const ENDS: u64 = 4;
/// Of a piece, what may be left for the writer; and a few pages where that is less.
const LEFT: u64 = 4;
const LEFT_PAGES: u64 = 16;
/// Of the bound, the length at which the writer stands still for the first time.
const FIRST: u64 = 16;
/// How long it waits then for snapshots to end, in each of its [`ROUNDS`] and once after them. At the bound it is [`FIRST`]
/// times as much.
const FIRST_PATIENCE: Duration = Duration::from_millis(50);
/// How long it waits besides for the queries that run in snapshots which are to be ended.
const QUERY_PATIENCE: Duration = Duration::from_millis(200);
/// How often it waits until all snapshots that are open have ended, and copies the log. Once is not enough: SQLite has
/// places for readers of four moments, so that one which opens while all are taken shares a place, and holds the log back
/// as if it had opened when the first one of that place did. Once all of those have ended there are places free. The third
/// time is to spare.
const ROUNDS: usize = 3;
/// Between two looks at the snapshots that are open.
const PAUSE: Duration = Duration::from_micros(300);

/// Returns the length of the log's file that is kept for the next time, for a bound.
pub(crate) fn bytes_kept(bytes_max: u64) -> u64 {
    bytes_max / FIRST
}

/// How long the log is, and what is to be done about it when.
pub(super) struct Log {
    copier: Copier,
    bytes_max: u64,
    page_bytes: u64,
    stands_still: bool,
    /// What it was when it was looked at last.
    bytes: u64,
    /// From this length on it is copied.
    copy_at: u64,
    /// From this length on the writer copies what is left, if that is little.
    end_copy_at: u64,
    /// From this length on the writer stands still.
    stand_at: u64,
    /// From this length on it ends snapshots then.
    end_at: u64,
}

/// The frames of the log. Each holds a page.
#[derive(Clone, Copy)]
struct Frames {
    all: u64,
    copied: u64,
}

impl Log {
    pub(super) fn new(
        connection: &mut SqliteConnection,
        settings: &WriterSettings,
        stands_still: bool,
    ) -> Result<Self, StoreError> {
        let page_bytes = PageSize.get_result::<i64>(connection)?.unsigned_abs();
        let mut log = Self {
            copier: Copier::start(settings.clone())?,
            bytes_max: settings.log_bytes_max,
            page_bytes,
            stands_still,
            bytes: 0,
            copy_at: 0,
            end_copy_at: 0,
            stand_at: 0,
            end_at: 0,
        };
        log.note_new();
        log.bytes = log.length(Frames::look(connection)?.all);
        Ok(log)
    }

    /// Returns how long it is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Does what is to be done after a batch.
    ///
    /// # Errors
    /// When the log cannot be copied. What is written is safe all the same, and it is tried again later.
    pub(super) fn tend(&mut self, connection: &mut SqliteConnection, snapshots: &OpenSnapshots) -> QueryResult<()> {
        let frames = Frames::look(connection)?;
        let bytes = self.length(frames.all);
        if bytes < self.bytes {
            self.note_new();
        }
        self.bytes = bytes;
        if bytes >= self.stand_at && self.stands_still {
            return self.stand_still(connection, snapshots);
        }
        if bytes >= self.end_copy_at
            && self.is_little(frames.all.saturating_sub(frames.copied))
            && self.copier.is_idle()
        {
            self.end_copy_at = bytes + ENDS * self.piece_bytes();
            return Frames::copy(connection).map(drop);
        }
        if bytes >= self.copy_at {
            self.copy_at = bytes + self.piece_bytes();
            self.copier.ask();
        }
        Ok(())
    }

    fn note_new(&mut self) {
        self.copy_at = self.piece_bytes();
        self.end_copy_at = ENDS * self.piece_bytes();
        self.stand_at = self.bytes_max / FIRST;
        self.end_at = self.bytes_max;
    }

    fn is_little(&self, frames: u64) -> bool {
        frames * self.page_bytes <= (self.piece_bytes() / LEFT).max(LEFT_PAGES * self.page_bytes)
    }

    fn piece_bytes(&self) -> u64 {
        (self.bytes_max / PIECES).min(PIECE_BYTES_MAX)
    }

    /// The frames, with their headers and that of the file (<https://sqlite.org/fileformat2.html#walformat>).
    fn length(&self, frames: u64) -> u64 {
        if frames == 0 { 0 } else { 32 + frames * (24 + self.page_bytes) }
    }

    /// Makes a moment at which the log can start anew, if that is possible in time.
    fn stand_still(&mut self, connection: &mut SqliteConnection, snapshots: &OpenSnapshots) -> QueryResult<()> {
        let must = self.bytes >= self.end_at;
        let patience = self.patience(must);
        self.stand_at = self.next_stand();
        if !must && snapshots.are_open_since(snapshots.now().before(patience)) {
            self.copier.ask();
            return Ok(());
        }
        // Two cannot copy at the same time.
        self.copier.wait();
        for _ in 0..ROUNDS {
            let are_ended = self.end_open(snapshots, patience, must);
            let frames = Frames::copy(connection)?;
            if frames.copied == frames.all {
                // Those that opened before that was done read from the log.
                self.end_open(snapshots, patience, must);
                return Ok(());
            }
            if !are_ended {
                return Ok(());
            }
        }
        if must {
            let bytes = self.bytes;
            tracing::warn!(bytes, "another program reads the database: the log beside it grows until that ends");
            // It is looked now and then whether it has, but our own are not ended in vain.
            self.end_at = 2 * bytes;
        }
        Ok(())
    }

    /// Returns the length at which to stand still when this time it does not help.
    fn next_stand(&self) -> u64 {
        if self.bytes < self.bytes_max {
            self.bytes_max.min(2 * self.bytes)
        } else {
            self.bytes + self.bytes_max / FIRST
        }
    }

    /// Returns how long to wait.
    fn patience(&self, must: bool) -> Duration {
        let times = match self.bytes / (self.bytes_max / FIRST).max(1) {
            times @ 1..FIRST => times,
            _ if must => FIRST,
            _ => 1,
        };
        FIRST_PATIENCE * u32::try_from(times).unwrap_or(1)
    }

    /// Waits until the snapshots that are open now have ended. With `must` it ends each that was open for longer than
    /// `patience`. Returns whether all have ended.
    fn end_open(&self, snapshots: &OpenSnapshots, patience: Duration, must: bool) -> bool {
        let (now, started) = (snapshots.now(), Instant::now());
        let longest = if must { patience + QUERY_PATIENCE } else { patience };
        let mut ended = 0;
        let are_ended = loop {
            if must {
                ended += snapshots.end_open_since(snapshots.now().before(patience).min(now));
            }
            if !snapshots.are_open_since(now) {
                break true;
            }
            if started.elapsed() >= longest {
                break false;
            }
            thread::sleep(PAUSE);
        };
        if ended > 0 {
            let bytes = self.bytes;
            tracing::warn!(bytes, snapshots = ended, "the log has reached its bound: calls that read for long fail");
        }
        are_ended
    }
}

impl Frames {
    fn look(connection: &mut SqliteConnection) -> QueryResult<Self> {
        LookAtLog.get_result(connection).map(Self::from_row)
    }

    fn copy(connection: &mut SqliteConnection) -> QueryResult<Self> {
        CopyLog.get_result(connection).map(Self::from_row)
    }

    /// The first column says whether another process was in the way. Without a log the others are -1.
    fn from_row((_, all, copied): (i64, i64, i64)) -> Self {
        let count = |frames: i64| u64::try_from(frames).unwrap_or(0);
        Self { all: count(all), copied: count(copied) }
    }
}
