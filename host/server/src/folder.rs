//! Watches the plugin folder and says what changed.
//!
//! - The listing is the truth. Events of the operating system only say when to look and which writer is done; without
//!   any the folder is looked at regularly, and a file is read when it stopped changing.
//! - A file is read once, from an open folder, without following links or waiting; the bytes that are handed on are
//!   the ones that were hashed. A file that is being written is never handed on.
//! - Everything is bounded: 4096 files, the length of each, the hints that collect, the changes that wait.
//! - Whatever happens to the folder (deleted, replaced, unreadable), the watch goes on.
//!
//! This module does not know what a component is, nor what becomes of the files it reports.

mod attention;
mod change;
mod entry;
mod intake;
mod listing;
mod name;
mod native;
mod scan;
mod watcher;

use std::{fs, path::PathBuf};

use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::{
    intake::Acceptance,
    watcher::{Unheard, Watcher},
};
use crate::config::FolderConfig;

pub use self::{
    change::{Arrival, Change, Completeness, FileKind, RefuseReason},
    name::FileName,
};

/// Watches the folder at `path` until `shutdown`, or until the receiver of `changes` is dropped.
///
/// A folder that does not exist is created. `is_complete` says whether bytes are all of a component; it runs on a
/// thread that may block. A full channel makes the watch wait, and what changes meanwhile is said once.
pub async fn watch(
    path: PathBuf,
    config: FolderConfig,
    is_complete: fn(&[u8]) -> Completeness,
    changes: mpsc::Sender<Change>,
    shutdown: CancellationToken,
) {
    let path = std::path::absolute(&path).unwrap_or(path);
    let created = path.clone();
    if let Ok(Err(error)) = spawn_blocking(move || fs::create_dir_all(created)).await {
        tracing::error!(folder = %path.display(), %error, "the plugin folder cannot be created");
    }
    let acceptance = Acceptance { file_bytes_max: config.file_bytes_max, is_complete };
    let watcher = Watcher::new(path, config, acceptance, changes);
    tokio::select! {
        Unheard = watcher.run() => {}
        () = shutdown.cancelled() => {}
    }
}

#[cfg(test)]
mod tests;
