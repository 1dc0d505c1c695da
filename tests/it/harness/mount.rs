//! A file system of its own for a test: one that is soon full, or cannot be written.

use std::{ffi::CString, fs, path::Path};

use rustix::{
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
    process::geteuid,
};
use tempfile::TempDir;

use super::environment::is_ci;

/// A file system in memory. It is unmounted with the value.
pub(crate) struct Tmpfs(TempDir);

impl Tmpfs {
    /// Mounts one with room for so many bytes. `None` where this user may not, which is said aloud.
    ///
    /// Where tests run for everybody and as root, it is an error: nobody would notice that they prove less.
    #[track_caller]
    pub(crate) fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let options = CString::new(format!("size={bytes},mode=700")).expect("a number has no zero byte");
        match mount("none", folder.path(), "tmpfs", MountFlags::empty(), options.as_c_str()) {
            Ok(()) => return Some(Self(folder)),
            Err(error) => {
                assert!(!(is_ci() && geteuid().is_root()), "root cannot mount a file system: {error}");
                eprintln!(
                    "SKIPPED: this user cannot mount a file system ({error}), so what a full disk does is not shown"
                );
            }
        }
        None
    }

    /// Returns its folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lets nobody write to it.
    #[track_caller]
    pub(crate) fn forbid_writing(&self) {
        mount_remount(self.path(), MountFlags::RDONLY, c"").expect("what was mounted can be remounted");
    }

    /// Writes a file that takes all that is left.
    #[track_caller]
    pub(crate) fn fill(&self) {
        let file = fs::File::create(self.path().join("ballast")).expect("there is room for a file");
        let written = std::io::copy(&mut std::io::repeat(0), &mut &file).map_err(|error| error.kind());
        assert_eq!(written.err(), Some(std::io::ErrorKind::StorageFull));
    }

    /// Takes that file away.
    #[track_caller]
    pub(crate) fn empty(&self) {
        fs::remove_file(self.path().join("ballast")).expect("it was filled before");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A server that still runs keeps its files until it ends.
        let _gone = unmount(self.path(), UnmountFlags::DETACH);
    }
}
