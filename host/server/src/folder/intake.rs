//! Reads one file of the folder, once, as if its writer were hostile.
//!
//! Nothing is followed, waited for or read past its limit. The bytes that are handed on are the ones that were
//! hashed and checked; a file that changes while it is read is not handed on at all.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
};

use backplane_runtime::ContentHash;
use bytes::Bytes;
use rustix::io::Errno;

use super::{
    Completeness, FileKind, FileName, RefuseReason,
    listing::{Seen, Stamp, kind_of, open_file},
};

/// Longest manifest beside a file, in bytes.
pub(super) const SIDECAR_BYTES_MAX: u64 = 64 << 10;

/// What makes a file acceptable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acceptance {
    pub(super) file_bytes_max: u64,
    pub(super) is_complete: fn(&[u8]) -> Completeness,
}

/// What came of reading a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// All of it is there.
    Complete { hash: ContentHash, bytes: Bytes, sidecar: Option<String> },
    /// It ends too early: its writer may be about to go on.
    Truncated { bytes: u64 },
    /// It is not what was listed, or changed while it was read.
    Changed,
    /// It cannot be used.
    Refused { hash: Option<ContentHash>, reason: RefuseReason },
}

/// Reads the file and its sidecar, which should still be as they were `seen`.
pub(super) fn read(folder: BorrowedFd<'_>, file: &FileName, seen: &Seen, acceptance: Acceptance) -> Intake {
    let bytes = match read_unchanged(folder, file.as_str(), seen.stamp, acceptance.file_bytes_max) {
        Ok(bytes) => bytes,
        Err(ReadError::Changed) => return Intake::Changed,
        Err(error) => return Intake::Refused { hash: None, reason: refuse_file(error, acceptance.file_bytes_max) },
    };
    match check(&bytes, acceptance) {
        Completeness::Complete => {}
        Completeness::Truncated => return Intake::Truncated { bytes: seen.stamp.bytes },
        Completeness::NotAComponent { reason } => {
            let hash = Some(ContentHash::of(&bytes));
            return Intake::Refused { hash, reason: RefuseReason::NotAComponent { reason } };
        }
    }
    let hash = ContentHash::of(&bytes);
    match read_sidecar(folder, &file.sidecar(), seen.sidecar) {
        Ok(sidecar) => Intake::Complete { hash, bytes: bytes.into(), sidecar },
        Err(ReadError::Changed) => Intake::Changed,
        Err(error) => Intake::Refused { hash: Some(hash), reason: refuse_sidecar(&error, file.sidecar()) },
    }
}

fn check(bytes: &[u8], acceptance: Acceptance) -> Completeness {
    if bytes.is_empty() { Completeness::Truncated } else { (acceptance.is_complete)(bytes) }
}

/// Why a file was not read.
#[derive(Debug)]
enum ReadError {
    Changed,
    NotAFile(FileKind),
    TooLarge { bytes: u64 },
    NotText,
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for ReadError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::Changed,
            Errno::LOOP => Self::NotAFile(FileKind::SymbolicLink),
            Errno::NXIO => Self::NotAFile(FileKind::Special),
            error => Self::Io(error.into()),
        }
    }
}

fn read_unchanged(folder: BorrowedFd<'_>, name: &str, stamp: Stamp, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    let mut file = File::from(open_file(folder, name)?);
    let stat = rustix::fs::fstat(file.as_fd())?;
    let kind = kind_of(&stat);
    if kind != FileKind::Regular {
        return Err(ReadError::NotAFile(kind));
    }
    if Stamp::of(&stat) != stamp {
        return Err(ReadError::Changed);
    }
    if stamp.bytes > bytes_max {
        return Err(ReadError::TooLarge { bytes: stamp.bytes });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.bytes).unwrap_or_default());
    Read::by_ref(&mut file).take(stamp.bytes).read_to_end(&mut bytes)?;
    let is_same = bytes.len() as u64 == stamp.bytes && Stamp::of(&rustix::fs::fstat(file.as_fd())?) == stamp;
    if is_same { Ok(bytes) } else { Err(ReadError::Changed) }
}

/// A sidecar that was not listed is not read, even if it is there by now: the next listing shows it.
fn read_sidecar(folder: BorrowedFd<'_>, name: &str, stamp: Option<Stamp>) -> Result<Option<String>, ReadError> {
    let Some(stamp) = stamp else { return Ok(None) };
    let bytes = read_unchanged(folder, name, stamp, SIDECAR_BYTES_MAX)?;
    String::from_utf8(bytes).map(Some).map_err(|_| ReadError::NotText)
}

fn refuse_file(error: ReadError, bytes_max: u64) -> RefuseReason {
    match error {
        ReadError::NotAFile(kind) => RefuseReason::NotAFile { kind },
        ReadError::TooLarge { bytes } => RefuseReason::TooLarge { bytes, bytes_max },
        error => RefuseReason::Unreadable { error: error.problem(0) },
    }
}

fn refuse_sidecar(error: &ReadError, sidecar: String) -> RefuseReason {
    RefuseReason::Sidecar { sidecar, problem: error.problem(SIDECAR_BYTES_MAX) }
}

impl ReadError {
    fn problem(&self, bytes_max: u64) -> String {
        match self {
            Self::Changed => "changes while it is read".into(),
            Self::NotAFile(kind) => format!("is {kind}"),
            Self::TooLarge { bytes } => format!("has {bytes} bytes, and the limit is {bytes_max}"),
            Self::NotText => "is not UTF-8 text".into(),
            Self::Io(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use rustix::fs::{FileType, Mode};

    use super::*;
    use crate::folder::listing;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    const ACCEPTANCE: Acceptance = Acceptance { file_bytes_max: 100, is_complete: ends_with_a_full_stop };

    fn ends_with_a_full_stop(bytes: &[u8]) -> Completeness {
        match bytes {
            [.., b'.'] => Completeness::Complete,
            [b'!', ..] => Completeness::NotAComponent { reason: "it starts with `!`".into() },
            _ => Completeness::Truncated,
        }
    }

    /// Lists the folder, lets `meanwhile` happen, and reads `a.wasm` as it was listed.
    fn intake(folder: &Path, meanwhile: impl FnOnce() -> io::Result<()>) -> Result<Intake, Box<dyn std::error::Error>> {
        let listing = listing::list(folder)?.ok_or("the folder is there")?;
        let (file, seen) = listing.files.first_key_value().ok_or("the file is there")?;
        meanwhile()?;
        Ok(read(listing.folder.as_fd(), file, seen, ACCEPTANCE))
    }

    fn folder_with(content: impl AsRef<[u8]>) -> io::Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("a.wasm"), content)?;
        Ok(folder)
    }

    #[test]
    fn reads_a_file_with_its_sidecar() -> TestResult {
        let folder = folder_with("all.")?;
        fs::write(folder.path().join("a.toml"), "name = 'a'")?;
        let hash = ContentHash::of(b"all.");
        let expected = Intake::Complete { hash, bytes: "all.".into(), sidecar: Some("name = 'a'".into()) };
        assert_eq!(intake(folder.path(), || Ok(()))?, expected);
        Ok(())
    }

    #[test]
    fn tells_a_short_file_from_a_wrong_one() -> TestResult {
        for (content, expected) in [
            ("", Intake::Truncated { bytes: 0 }),
            ("al", Intake::Truncated { bytes: 2 }),
            (
                "!",
                Intake::Refused {
                    hash: Some(ContentHash::of(b"!")),
                    reason: RefuseReason::NotAComponent { reason: "it starts with `!`".into() },
                },
            ),
        ] {
            assert_eq!(intake(folder_with(content)?.path(), || Ok(()))?, expected, "{content:?}");
        }
        Ok(())
    }

    #[test]
    fn does_not_read_a_file_that_is_too_large() -> TestResult {
        let folder = folder_with("")?;
        fs::OpenOptions::new().write(true).open(folder.path().join("a.wasm"))?.set_len(1 << 40)?;
        let reason = RefuseReason::TooLarge { bytes: 1 << 40, bytes_max: 100 };
        assert_eq!(intake(folder.path(), || Ok(()))?, Intake::Refused { hash: None, reason });
        Ok(())
    }

    #[test]
    fn hands_nothing_on_that_changed_since_the_listing() -> TestResult {
        let changes: [fn(&Path) -> io::Result<()>; 4] = [
            |folder| fs::write(folder.join("a.wasm"), "more."),
            |folder| fs::remove_file(folder.join("a.wasm")),
            |folder| fs::write(folder.join("a.toml"), "more = 1"),
            |folder| fs::remove_file(folder.join("a.toml")),
        ];
        for change in changes {
            let folder = folder_with("all.")?;
            fs::write(folder.path().join("a.toml"), "")?;
            assert_eq!(intake(folder.path(), || change(folder.path()))?, Intake::Changed);
        }
        Ok(())
    }

    #[test]
    fn follows_no_link_and_waits_for_no_pipe() -> TestResult {
        let folder = folder_with("all.")?;
        let path = folder.path().join("a.wasm");
        let link = || fs::remove_file(&path).and_then(|()| symlink("/etc/passwd", &path));
        let reason = RefuseReason::NotAFile { kind: FileKind::SymbolicLink };
        assert_eq!(intake(folder.path(), link)?, Intake::Refused { hash: None, reason });

        let folder = folder_with("all.")?;
        let path = folder.path().join("a.wasm");
        let pipe = || {
            fs::remove_file(&path)?;
            Ok(rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RWXU, 0)?)
        };
        let reason = RefuseReason::NotAFile { kind: FileKind::Special };
        assert_eq!(intake(folder.path(), pipe)?, Intake::Refused { hash: None, reason });
        Ok(())
    }

    #[test]
    fn refuses_a_sidecar_that_is_no_short_text() -> TestResult {
        let long = "#".repeat(64 * 1024 + 1);
        for (content, expected) in
            [(long.as_bytes(), "has 65537 bytes, and the limit is 65536"), (b"\xff", "is not UTF-8 text")]
        {
            let folder = folder_with("all.")?;
            fs::write(folder.path().join("a.toml"), content)?;
            let reason = RefuseReason::Sidecar { sidecar: "a.toml".into(), problem: expected.into() };
            let hash = Some(ContentHash::of(b"all."));
            assert_eq!(intake(folder.path(), || Ok(()))?, Intake::Refused { hash, reason });
        }
        Ok(())
    }
}
