//! What the watcher says about the folder.

use std::fmt;

use backplane_runtime::{ContentHash, PluginName};
use bytes::Bytes;

use super::FileName;

/// One thing that the watcher has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A complete file, with content or a sidecar other than what was last said of this name.
    Arrived(Arrival),
    /// A file that was spoken of is gone, for longer than editors and uploads take to bring it back.
    Removed {
        /// The file.
        file: FileName,
    },
    /// A file cannot be used. Said once for each state of the file.
    Refused {
        /// The file.
        file: FileName,
        /// Its content, where that was read.
        hash: Option<ContentHash>,
        /// Why, for the operator.
        reason: RefuseReason,
    },
    /// Every file that was there at the start has been spoken of, or is still being written.
    ScanCompleted,
}

/// A complete file.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The file.
    pub file: FileName,
    /// The plugin that the file's name says it is for. Two files can name one plugin: `orders.wasm` and
    /// `orders@2.wasm`.
    pub plugin: PluginName,
    /// The hash of `bytes`.
    pub hash: ContentHash,
    /// The content, read once: what was hashed and checked, whatever happens to the file meanwhile.
    pub bytes: Bytes,
    /// The text of the manifest that lies beside the file, at most 64 KiB.
    pub sidecar: Option<String>,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Arrival");
        fields.field("file", &self.file).field("hash", &self.hash).field("bytes", &self.bytes.len());
        fields.field("sidecar", &self.sidecar.is_some()).finish_non_exhaustive()
    }
}

/// Whether bytes are all of a component.
///
/// The watcher does not read Wasm: it asks a function that its caller brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// All of it is there.
    Complete,
    /// What is there is good, and ends too early.
    Truncated,
    /// No bytes that follow can make it a component.
    NotAComponent {
        /// Why, for the operator.
        reason: String,
    },
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefuseReason {
    /// The name does not say which plugin it is.
    #[error(
        "the name is not `<plugin>.wasm` with a plugin of 1 to 63 of `a-z`, `0-9` and `-`{}",
        advice(.suggestion.as_deref())
    )]
    Misnamed {
        /// A name that would do.
        suggestion: Option<String>,
    },
    /// It is not a regular file.
    #[error("it is {kind}: put the component's own file into the folder")]
    NotAFile {
        /// What it is.
        kind: FileKind,
    },
    /// The file is longer than the operator allows.
    #[error("it has {bytes} bytes, and `folder.file_bytes_max` is {bytes_max}")]
    TooLarge {
        /// Length of the file.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The file ends too early and has not changed for a long time.
    #[error("it ends too early, after {bytes} bytes: copy it again")]
    Incomplete {
        /// Length of the file.
        bytes: u64,
    },
    /// The content is something else.
    #[error("it is not a component: {reason}")]
    NotAComponent {
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system did not let the host read the file.
    #[error("it cannot be read: {error}")]
    Unreadable {
        /// What the operating system said.
        error: String,
    },
    /// The file would do, and the manifest beside it would not.
    #[error("the manifest beside it, `{sidecar}`, {problem}")]
    Sidecar {
        /// Name of the manifest's file.
        sidecar: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn advice(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(": rename it to `{name}`")).unwrap_or_default()
}

/// What a folder entry is, by its type in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A symbolic link, wherever it points.
    SymbolicLink,
    /// A folder.
    Folder,
    /// A pipe, a socket or a device.
    Special,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a file",
            Self::SymbolicLink => "a symbolic link",
            Self::Folder => "a folder",
            Self::Special => "a pipe, a socket or a device",
        })
    }
}
