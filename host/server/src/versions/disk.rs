//! Files that are whole or not there, whatever happens while they are written.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

/// Start of the names of files that are being written.
const NEW_PREFIX: &str = ".new-";

/// Creates a folder that only this user can enter, and deletes what an earlier process did not finish writing there.
pub(super) fn open_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(NEW_PREFIX.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file that only this user can read, or leaves what was there. On return it is on disk under its name.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(NEW_PREFIX).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_a_file_that_nobody_else_can_read() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("data").join("inner");
        open_folder(&folder)?;
        write(&folder, "a", b"one")?;
        write(&folder, "a", b"two")?;
        assert_eq!(fs::read(folder.join("a"))?, b"two");
        assert_eq!(fs::metadata(folder.join("a"))?.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder)?.permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder)?.count(), 1);
        Ok(())
    }

    #[test]
    fn deletes_what_was_not_finished() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(".new-abc"), "half")?;
        fs::write(folder.path().join("whole"), "whole")?;
        open_folder(folder.path())?;
        assert!(!folder.path().join(".new-abc").exists());
        assert!(folder.path().join("whole").exists());
        Ok(())
    }
}
