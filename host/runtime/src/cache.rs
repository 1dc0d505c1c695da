//! Compiled code on disk.
//!
//! Loading compiled code is running it, so a file counts only when its authentication code matches, under a
//! key that only the host can read, over the very bytes in memory that are loaded. The code covers the file's
//! name too: content hash of the component and compatibility hash of the engine. A file that does not match
//! is as good as none, and compiling again replaces it. The cache never decides whether a plugin works.

use std::{
    fs::{self, File},
    hash::{Hash as _, Hasher},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use crate::hash::ContentHash;

type HmacSha256 = Hmac<Sha256>;

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
const EXTENSION: &str = "cwasm";

/// A directory of compiled components.
pub(crate) struct CodeCache {
    directory: PathBuf,
    mac: HmacSha256,
    /// Which engine the code is for.
    compatibility: String,
    bytes_max: u64,
}

impl CodeCache {
    /// Opens the cache in `directory`, and makes both it and its key when they are missing.
    pub(crate) fn open(directory: &Path, engine: &Engine, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        let key = read_or_make_key(&directory.join("key"))?;
        let mac = HmacSha256::new_from_slice(&key).map_err(io::Error::other)?;
        Ok(Self { directory: directory.to_owned(), mac, compatibility: compatibility(engine), bytes_max })
    }

    /// Returns the compiled code of the component `hash`, when it is here and untouched.
    pub(crate) fn find(&self, hash: ContentHash, engine: &Engine) -> Option<Component> {
        let name = self.name(hash);
        let path = self.directory.join(&name);
        let file = fs::read(&path).ok()?;
        let (tag, code) = file.split_at_checked(MAC_BYTES)?;
        if self.mac(&name, code).verify_slice(tag).is_err() {
            tracing::warn!(path = %path.display(), "compiled code was changed on disk: compiling again");
            return None;
        }
        let component = load_compiled(engine, code).ok()?;
        // Marks the file as used, for `make_room`; the cache works without.
        let _unmarked = File::options().append(true).open(&path).and_then(|file| file.set_modified(now()));
        Some(component)
    }

    /// Loads freshly compiled `code`, and keeps it for the next start when the disk allows it.
    pub(crate) fn insert(&self, hash: ContentHash, engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
        let component = load_compiled(engine, code)?;
        if let Err(error) = self.write(hash, code) {
            tracing::warn!(directory = %self.directory.display(), %error, "compiled code is not kept: the next start compiles again");
        }
        Ok(component)
    }

    fn write(&self, hash: ContentHash, code: &[u8]) -> io::Result<()> {
        let name = self.name(hash);
        let tag = self.mac(&name, code).finalize().into_bytes();
        self.make_room((tag.len() + code.len()) as u64)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        file.write_all(&tag)?;
        file.write_all(code)?;
        file.persist(self.directory.join(name))?;
        Ok(())
    }

    /// Removes the files that were not used for longest until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        let mut total = files.iter().map(|(_, length, _)| length).sum::<u64>().saturating_add(bytes);
        files.sort();
        for (_, length, path) in files {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_file(path)?;
            total -= length;
        }
        Ok(())
    }

    fn name(&self, hash: ContentHash) -> String {
        format!("{hash}-{}.{EXTENSION}", self.compatibility)
    }

    fn mac(&self, name: &str, code: &[u8]) -> HmacSha256 {
        // The name has a fixed length, so name and code cannot be told apart in two ways.
        self.mac.clone().chain_update(name).chain_update(code)
    }
}

/// Loads code that this host's compiler made: from the child just now, or from a file that was authenticated.
pub(crate) fn load_compiled(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs what it is given. Both callers hold bytes in memory that this host compiled:
    // `find` has checked their authentication code, `insert` has them from the compiler itself.
    #[expect(unsafe_code, reason = "loading compiled code is unsafe by nature; see SAFETY")]
    unsafe {
        Component::deserialize(engine, code)
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Ok(bytes) = fs::read(path)
        && let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes)
    {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
    // A key that cannot be read makes the whole cache void, and so does a new one.
    let _missing = fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

/// Returns the engine's compatibility hash in 16 hexadecimal digits.
fn compatibility(engine: &Engine) -> String {
    struct Sink(Sha256);

    impl Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            let digest = self.0.clone().finalize();
            digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
        }
    }

    let mut sink = Sink(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sink);
    format!("{:016x}", sink.finish())
}

#[expect(clippy::disallowed_methods, reason = "the time of a file, which no decision but eviction rests on")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component: no imports, no exports, no code.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Bench {
        directory: tempfile::TempDir,
        engine: Engine,
        hash: ContentHash,
    }

    fn bench() -> Bench {
        Bench {
            directory: tempfile::tempdir().expect("a directory"),
            engine: crate::engine::compiling().expect("an engine"),
            hash: ContentHash::of(EMPTY),
        }
    }

    impl Bench {
        fn open(&self) -> CodeCache {
            CodeCache::open(self.directory.path(), &self.engine, 1 << 20).expect("a cache")
        }

        fn fill(&self, cache: &CodeCache) -> PathBuf {
            let code = self.engine.precompile_component(EMPTY).expect("compiles");
            cache.insert(self.hash, &self.engine, &code).expect("loads");
            self.directory.path().join(cache.name(self.hash))
        }
    }

    #[test]
    fn finds_what_was_inserted_also_after_opening_again() {
        let bench = bench();
        bench.fill(&bench.open());
        assert!(bench.open().find(bench.hash, &bench.engine).is_some());
    }

    #[test]
    fn ignores_a_file_with_one_flipped_bit_wherever_it_is() {
        let bench = bench();
        let cache = bench.open();
        let path = bench.fill(&cache);
        let whole = fs::read(&path).expect("the file");
        for at in [0, MAC_BYTES, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).expect("written");
            assert!(cache.find(bench.hash, &bench.engine).is_none(), "byte {at}");
        }
        fs::write(&path, &whole[..MAC_BYTES - 1]).expect("written");
        assert!(cache.find(bench.hash, &bench.engine).is_none());
    }

    #[test]
    fn ignores_a_file_that_was_moved_to_another_name() {
        let bench = bench();
        let cache = bench.open();
        let other = ContentHash::of(b"another component");
        fs::rename(bench.fill(&cache), bench.directory.path().join(cache.name(other))).expect("moved");
        assert!(cache.find(other, &bench.engine).is_none());
    }

    #[test]
    fn a_lost_key_voids_the_cache_and_no_more() {
        let bench = bench();
        bench.fill(&bench.open());
        fs::write(bench.directory.path().join("key"), "short").expect("written");
        let cache = bench.open();
        assert!(cache.find(bench.hash, &bench.engine).is_none());
        bench.fill(&cache);
        assert!(cache.find(bench.hash, &bench.engine).is_some());
    }

    #[test]
    fn removes_the_oldest_when_it_is_full() {
        let bench = bench();
        let mut cache = bench.open();
        let first = bench.fill(&cache);
        cache.bytes_max = fs::metadata(&first).expect("the file").len();
        cache.write(ContentHash::of(b"second"), &[0; 8]).expect("written");
        assert!(!first.exists());
    }

    #[test]
    fn a_disk_that_takes_nothing_does_not_stop_a_plugin() {
        let bench = bench();
        let cache = bench.open();
        fs::remove_dir_all(bench.directory.path()).expect("removed");
        let code = bench.engine.precompile_component(EMPTY).expect("compiles");
        assert!(cache.insert(bench.hash, &bench.engine, &code).is_ok());
    }
}
