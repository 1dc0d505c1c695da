//! Places a file in a folder so that a watcher sees it whole or not at all.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::Builder;

/// Writes `contents` to `folder/name`, in place of a file that is there, and returns its path.
///
/// The file is on disk when this returns. Until then it has a name that starts with a dot.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn install(folder: &Path, name: &str, contents: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let mut file =
        Builder::new().prefix(".backplane-").permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_and_leaves_nothing_else() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let folder = root.path().join("new/plugins.d");
        for contents in ["one", "two"] {
            let path = install(&folder, "p.wasm", contents.as_bytes()).expect("installed");
            assert_eq!(std::fs::read_to_string(path).expect("it is there"), contents);
        }
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
    }
}
