//! What the library `tests/preload` does to a server, and what it saw.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::Duration,
};

use tempfile::TempDir;

use super::{Server, component::profile, wait_until};

/// Length of the file of orders, which the library maps.
const CONTROL_BYTES: u64 = 4096;

/// The library's two files.
pub(crate) struct Preload {
    folder: TempDir,
    control: File,
}

/// Something that the library saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// What has this number was written to a write-ahead log.
    Wal(u32),
    /// The sync with this number writes the file's times, too.
    Full(u32),
    /// The sync of a write-ahead log with this number began.
    Begin(u32),
    /// It ended, and well.
    End(u32),
    /// What has this number is about to be sent.
    Send(u32),
}

impl Preload {
    /// Makes the files.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        fs::write(folder.path().join("journal"), "").expect("the folder is new");
        let control = File::create_new(folder.path().join("control")).expect("the folder is new");
        control.set_len(CONTROL_BYTES).expect("a file can grow");
        Self { folder, control }
    }

    /// Returns the variables that put the library into the program.
    #[track_caller]
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let library = profile().join("libbackplane_preload.so");
        assert!(library.is_file(), "{} is not built: run `cargo xtask test`", library.display());
        let file = |name| self.folder.path().join(name);
        [("LD_PRELOAD", library), ("PRELOAD_JOURNAL", file("journal")), ("PRELOAD_CONTROL", file("control"))]
    }

    /// Puts the server's time of day ahead of the real one.
    pub(crate) fn set_clock_ahead(&self, ahead: Duration) {
        self.order(0, i64::try_from(ahead.as_millis()).expect("a test jumps less far"));
    }

    /// Puts the clock by which the server measures how long something takes ahead of the real one. Threads that wait
    /// with a time limit wait for longer then. Waits until the server answers: connections that were idle are too old.
    #[track_caller]
    pub(crate) fn set_uptime_ahead(&self, server: &Server, ahead: Duration) {
        self.order(3, i64::try_from(ahead.as_millis()).expect("a test jumps less far"));
        wait_until("an answer", || server.try_get("/healthz").is_some());
    }

    /// Puts both clocks ahead, and waits until the server answers by them.
    #[track_caller]
    pub(crate) fn pass(&self, server: &Server, ahead: Duration) {
        self.set_clock_ahead(ahead);
        self.set_uptime_ahead(server, ahead);
    }

    /// Lets syncs of write-ahead logs fail, or not any more.
    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.order(1, fail.into());
    }

    /// Lets writes to files find a full disk, or not any more.
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.order(2, fail.into());
    }

    fn order(&self, place: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), 8 * place).expect("the file is mapped, and there");
    }

    /// Returns a text that the library knows when it sees it in what is stored and sent.
    pub(crate) fn marker(number: u32) -> String {
        format!("proof-{number:08}")
    }

    /// Returns what happened, in its order.
    #[track_caller]
    pub(crate) fn journal(&self) -> Vec<Event> {
        let text = fs::read_to_string(self.folder.path().join("journal")).expect("the journal is a file of lines");
        let read = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            let number = number.trim().parse().ok()?;
            match name {
                "wal" => Some(Event::Wal(number)),
                "full" => Some(Event::Full(number)),
                "begin" => Some(Event::Begin(number)),
                "end" => Some(Event::End(number)),
                "send" => Some(Event::Send(number)),
                _ => None,
            }
        };
        text.lines().map(|line| read(line).unwrap_or_else(|| panic!("`{line}` is no event"))).collect()
    }
}
