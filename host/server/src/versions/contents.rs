//! Contents of plugins, by their hash.
//!
//! A content is written once and never changed. What is read is hashed again, so damage on disk is noticed before
//! the bytes are used.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use backplane_runtime::ContentHash;
use bytes::Bytes;

use super::disk;

/// Why a content cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GetContentError {
    /// It was never kept, or is not kept any more.
    #[error("content {hash} is not kept")]
    Missing {
        /// The content.
        hash: ContentHash,
    },
    /// What is on disk has another hash.
    #[error("content {hash} is damaged on disk: put the plugin's file into the folder again")]
    Corrupt {
        /// The content.
        hash: ContentHash,
    },
    /// The operating system did not let the host read it.
    #[error("failed to read content {hash}")]
    Unreadable {
        /// The content.
        hash: ContentHash,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A folder of contents.
#[derive(Debug)]
pub(super) struct ContentStore {
    folder: PathBuf,
}

impl ContentStore {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        disk::open_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Keeps the bytes; a damaged copy is replaced.
    pub(super) fn put(&self, hash: ContentHash, bytes: &[u8]) -> io::Result<()> {
        if self.get(hash).is_ok() { Ok(()) } else { disk::write(&self.folder, &hash.to_string(), bytes) }
    }

    pub(super) fn get(&self, hash: ContentHash) -> Result<Bytes, GetContentError> {
        let bytes = fs::read(self.folder.join(hash.to_string())).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GetContentError::Missing { hash },
            _ => GetContentError::Unreadable { hash, source },
        })?;
        if ContentHash::of(&bytes) == hash { Ok(bytes.into()) } else { Err(GetContentError::Corrupt { hash }) }
    }

    /// Deletes all contents but these and returns how many that were.
    pub(super) fn retain(&self, listed: &BTreeSet<ContentHash>) -> io::Result<usize> {
        let mut deleted = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let hash = entry.file_name().to_str().and_then(|name| name.parse::<ContentHash>().ok());
            if hash.is_some_and(|hash| !listed.contains(&hash)) {
                fs::remove_file(entry.path())?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn store() -> io::Result<(tempfile::TempDir, ContentStore)> {
        let folder = tempfile::tempdir()?;
        let store = ContentStore::open(folder.path())?;
        Ok((folder, store))
    }

    #[test]
    fn gives_back_what_was_put() -> TestResult {
        let (_folder, store) = store()?;
        let hash = ContentHash::of(b"one");
        assert!(matches!(store.get(hash), Err(GetContentError::Missing { .. })));
        store.put(hash, b"one")?;
        assert_eq!(store.get(hash)?, "one");
        Ok(())
    }

    #[test]
    fn notices_damage_and_repairs_it_when_the_content_comes_again() -> TestResult {
        let (folder, store) = store()?;
        let hash = ContentHash::of(b"one");
        store.put(hash, b"one")?;
        fs::write(folder.path().join(hash.to_string()), "two")?;
        assert!(matches!(store.get(hash), Err(GetContentError::Corrupt { .. })));
        store.put(hash, b"one")?;
        assert_eq!(store.get(hash)?, "one");
        Ok(())
    }

    #[test]
    fn deletes_contents_that_are_not_listed_and_nothing_else() -> TestResult {
        let (folder, store) = store()?;
        let (one, two) = (ContentHash::of(b"one"), ContentHash::of(b"two"));
        store.put(one, b"one")?;
        store.put(two, b"two")?;
        fs::write(folder.path().join("README"), "not ours")?;
        assert_eq!(store.retain(&BTreeSet::from([one]))?, 1);
        assert!(store.get(one).is_ok());
        assert!(store.get(two).is_err());
        assert!(folder.path().join("README").exists());
        Ok(())
    }
}
