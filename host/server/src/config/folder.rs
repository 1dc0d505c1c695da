//! `[folder]`: how the plugin folder is watched.

use std::time::Duration;

use super::{
    reader::Reader,
    value::{Size, words},
};

/// Settings of the folder watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderConfig {
    /// How changes are noticed. Default `auto`.
    pub watch: WatchMode,
    /// Longest plugin file. Default 64 MiB.
    pub file_bytes_max: u64,
    /// How long a file must stay the same before it is read, when nothing says that its writer is done.
    /// Default 300 ms.
    pub settle_time: Duration,
    /// From a file's removal to the removal of its routes; editors remove a file before they rename the new one.
    /// Default 2 s.
    pub removal_grace: Duration,
    /// Between two looks at the folder where file events arrive. Default 30 s.
    pub rescan_interval: Duration,
    /// Between two looks at the folder where file events do not arrive. Default 1 s.
    pub poll_interval: Duration,
}

/// How changes in the folder are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// File events where they arrive, else polling.
    Auto,
    /// File events of the operating system.
    Native,
    /// Looking at the folder again and again: for network and shared folders.
    Poll,
}

words!(WatchMode: "\"auto\", \"native\" or \"poll\"", Auto = "auto", Native = "native", Poll = "poll");

impl Default for FolderConfig {
    fn default() -> Self {
        Self {
            watch: WatchMode::Auto,
            file_bytes_max: 64 << 20,
            settle_time: Duration::from_millis(300),
            removal_grace: Duration::from_secs(2),
            rescan_interval: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
        }
    }
}

impl FolderConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let pause = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
        let mut folder = reader.section("folder");
        let config = Self {
            watch: folder.get("watch", default.watch),
            file_bytes_max: folder
                .within("file_bytes_max", Size(default.file_bytes_max), Size(1024)..=Size::mib(1024))
                .0,
            settle_time: folder.within("settle_time", default.settle_time, pause.clone()),
            removal_grace: folder.within("removal_grace", default.removal_grace, Duration::ZERO..=*pause.end()),
            rescan_interval: folder.within("rescan_interval", default.rescan_interval, pause.clone()),
            poll_interval: folder.within("poll_interval", default.poll_interval, pause),
        };
        folder.close();
        config
    }
}
