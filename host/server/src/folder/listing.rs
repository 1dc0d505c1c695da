//! What is in the folder at one moment.
//!
//! A listing holds the folder open, so that the files which are then read are the ones that were listed, even when
//! the folder is replaced meanwhile. Entries that are not plugins cost their name and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{FileKind, FileName};

/// Most files looked at in one folder; of more, the first by name.
pub(super) const FILES_MAX: usize = 4096;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    inode: u64,
    /// Seconds and nanoseconds. The change time cannot be set by a program, unlike the time of modification.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what is not there, or is never read.
    pub(super) const NONE: Self = Self { bytes: 0, inode: 0, modified: (0, 0), changed: (0, 0) };

    #[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between platforms")]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            bytes: stat.st_size as u64,
            inode: stat.st_ino as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Makes a stamp that differs from those of other arguments.
    #[cfg(test)]
    pub(super) fn fake(bytes: u64, changed: i64) -> Self {
        Self { bytes, inode: 1, modified: (changed, 0), changed: (changed, 0) }
    }
}

/// A file as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: FileKind,
    pub(super) stamp: Stamp,
    /// The manifest beside it.
    pub(super) sidecar: Option<Stamp>,
}

/// Which folder it is, whatever its path; not kept over a deletion, after which the numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// The folder's content.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) folder: Arc<OwnedFd>,
    pub(super) identity: Identity,
    /// Whether every user of the machine may put files into it.
    pub(super) world_writable: bool,
    /// Whether other machines can change the files, which causes no events here.
    pub(super) shared: bool,
    pub(super) files: BTreeMap<FileName, Seen>,
    /// Whether some files were left out.
    pub(super) truncated: bool,
}

/// Lists the folder; `None` if there is no folder at this path.
pub(super) fn list(path: &Path) -> io::Result<Option<Listing>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&folder)?;
    let (names, truncated) = plugin_names(&folder)?;
    let mut files = BTreeMap::new();
    for name in names {
        if let Some(seen) = look_at(&folder, &name)? {
            files.insert(name, seen);
        }
    }
    Ok(Some(Listing {
        identity: identity(&stat),
        world_writable: Mode::from_raw_mode(stat.st_mode).contains(Mode::WOTH),
        shared: is_shared(&folder),
        folder: Arc::new(folder),
        files,
        truncated,
    }))
}

#[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between platforms")]
fn identity(stat: &Stat) -> Identity {
    Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

/// Returns the first names in order, so that the same ones are left out each time.
fn plugin_names(folder: &OwnedFd) -> io::Result<(BTreeSet<FileName>, bool)> {
    let mut names = BTreeSet::new();
    let mut truncated = false;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if let Some(name) = FileName::find(entry.file_name().to_bytes()) {
            names.insert(name);
            if names.len() > FILES_MAX {
                names.pop_last();
                truncated = true;
            }
        }
    }
    Ok((names, truncated))
}

/// Returns `None` for a file that is gone again.
fn look_at(folder: &OwnedFd, name: &FileName) -> io::Result<Option<Seen>> {
    if name.plugin().is_none() {
        return Ok(Some(Seen { kind: FileKind::Regular, stamp: Stamp::NONE, sidecar: None }));
    }
    let Some(stat) = stat_entry(folder, name.as_str())? else { return Ok(None) };
    let sidecar = stat_entry(folder, &name.sidecar())?.map(|stat| Stamp::of(&stat));
    Ok(Some(Seen { kind: kind_of(&stat), stamp: Stamp::of(&stat), sidecar }))
}

fn stat_entry(folder: &OwnedFd, name: &str) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn kind_of(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Symlink => FileKind::SymbolicLink,
        FileType::Directory => FileKind::Folder,
        _ => FileKind::Special,
    }
}

/// Whether the folder lies on a file system that other machines write to: NFS, SMB, 9P, FUSE (which includes
/// virtiofs) or VirtualBox. The numbers are from statfs(2).
#[cfg(target_os = "linux")]
fn is_shared(folder: &OwnedFd) -> bool {
    const SHARED: [u32; 7] = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x517b, 0x0102_1997, 0x6573_5546, 0x786f_4256];
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the numbers have 32 bits, in a type that depends on the platform"
    )]
    rustix::fs::fstatfs(folder).is_ok_and(|stat| SHARED.contains(&(stat.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_shared(_folder: &OwnedFd) -> bool {
    false
}

/// Opens a file of a listed folder for reading, without following a link or waiting for a pipe's writer.
pub(super) fn open_file(folder: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn lists_plugins_with_their_kind_and_their_sidecar() -> TestResult {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("a.wasm"), "12345")?;
        fs::write(folder.path().join("a.toml"), "x = 1")?;
        fs::write(folder.path().join("b.wasm.part"), "")?;
        fs::create_dir(folder.path().join("c.wasm"))?;
        symlink("a.wasm", folder.path().join("d.wasm"))?;
        fs::write(folder.path().join("E_e.wasm"), "")?;

        let listing = list(folder.path())?.ok_or("the folder is there")?;
        let found: Vec<_> = listing.files.iter().map(|(name, seen)| (name.as_str(), seen.kind)).collect();
        assert_eq!(
            found,
            [
                ("E_e.wasm", FileKind::Regular),
                ("a.wasm", FileKind::Regular),
                ("c.wasm", FileKind::Folder),
                ("d.wasm", FileKind::SymbolicLink)
            ]
        );
        let seen = listing.files.values().nth(1).ok_or("four files are listed")?;
        assert_eq!((seen.stamp.bytes, seen.sidecar.map(|stamp| stamp.bytes)), (5, Some(5)));
        assert!(!listing.truncated);
        Ok(())
    }

    #[test]
    fn says_that_there_is_no_folder() -> TestResult {
        let folder = tempfile::tempdir()?;
        assert!(list(&folder.path().join("absent"))?.is_none());
        fs::write(folder.path().join("file"), "")?;
        assert!(list(&folder.path().join("file"))?.is_none());
        Ok(())
    }

    #[test]
    fn looks_at_a_bounded_number_of_files_and_always_at_the_same() -> TestResult {
        let folder = tempfile::tempdir()?;
        for number in 0..FILES_MAX + 10 {
            fs::write(folder.path().join(format!("p{number:05}.wasm")), "")?;
        }
        let listing = list(folder.path())?.ok_or("the folder is there")?;
        assert!(listing.truncated);
        assert_eq!(listing.files.len(), FILES_MAX);
        let last = listing.files.keys().next_back().map(FileName::as_str);
        assert_eq!(last, Some(format!("p{:05}.wasm", FILES_MAX - 1).as_str()));
        Ok(())
    }

    #[test]
    fn sees_a_write_and_a_replacement() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.wasm");
        let stamp = || -> Result<Stamp, Box<dyn std::error::Error>> {
            let listing = list(folder.path())?.ok_or("the folder is there")?;
            Ok(listing.files.values().next().ok_or("the file is there")?.stamp)
        };
        fs::write(&path, "1")?;
        let first = stamp()?;
        assert_eq!(stamp()?, first);
        fs::write(&path, "12")?;
        let second = stamp()?;
        assert_ne!(second, first);
        fs::write(folder.path().join("new"), "12")?;
        fs::rename(folder.path().join("new"), &path)?;
        assert_ne!(stamp()?, second);
        Ok(())
    }
}
