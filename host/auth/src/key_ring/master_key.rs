//! The key that wraps the signing keys, and the file that it is kept in.
//!
//! The file is a regular one of mode 0600 or narrower that belongs to whoever runs the process; anything else is
//! refused, because then somebody else may have read or written it. What is checked is the open file, not its path. A
//! file that is missing is made, whole or not at all. The key is 32 bytes, written as base64.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::SystemRandom;
use rustix::fs::OFlags;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use zeroize::Zeroizing;

use crate::random::{NoRandomness, random_bytes};

const KEY_BYTES: usize = 32;
/// 44 characters of base64, and room for white space around them.
const FILE_BYTES_MAX: u64 = 64;

/// The key that wraps the signing keys.
#[derive(Debug)]
pub struct MasterKey(SecretBox<[u8; KEY_BYTES]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("the master key file {path} cannot be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("the master key file {path} is not a regular file")]
    NotAFile {
        /// Which file.
        path: PathBuf,
    },
    /// Others than its owner may touch it.
    #[error(
        "the master key file {path} has mode {mode:04o}: others may have read it; make a new key, or run chmod 600"
    )]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("the master key file {path} belongs to user {owner}, and this process runs as user {user}")]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs the process.
        user: u32,
    },
    /// It does not hold a key.
    #[error("a master key is 32 bytes as base64, 44 characters with the padding")]
    Format,
    /// A key has to be made and cannot be.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl MasterKey {
    /// Reads the key from a file, and makes the file when there is none. Blocks.
    ///
    /// # Errors
    /// When the file can be touched by others, is somebody else's, does not hold a key, or cannot be used.
    pub fn from_file(path: &Path, random: &SystemRandom) -> Result<Self, MasterKeyError> {
        match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_file(path, random)?;
                // Read back: when another process was quicker, its key is the one.
                open(path)
            }
            opened => opened,
        }
        .map_err(|source| MasterKeyError::File { path: path.to_owned(), source })
        .and_then(|file| read(path, file))
    }

    /// Reads the key from text, as an environment variable or a credential store gives it.
    ///
    /// # Errors
    /// When it is not 32 bytes of base64.
    pub fn from_base64(text: &SecretString) -> Result<Self, MasterKeyError> {
        Self::decode(text.expose_secret())
    }

    fn decode(text: &str) -> Result<Self, MasterKeyError> {
        let mut key = SecretBox::<[u8; KEY_BYTES]>::default();
        // One byte more than a key, so that a longer one is noticed.
        let mut bytes = Zeroizing::new([0; KEY_BYTES + 3]);
        let length =
            STANDARD.decode_slice(text.trim(), bytes.as_mut_slice()).map_err(|_error| MasterKeyError::Format)?;
        let bytes = bytes.get(..length).and_then(|bytes| <&[u8; KEY_BYTES]>::try_from(bytes).ok());
        let bytes = bytes.ok_or(MasterKeyError::Format)?;
        secrecy::ExposeSecretMut::expose_secret_mut(&mut key).copy_from_slice(bytes);
        Ok(Self(key))
    }

    /// Makes a new key.
    pub(super) fn generate(random: &SystemRandom) -> Result<Self, NoRandomness> {
        let bytes = Zeroizing::new(random_bytes::<KEY_BYTES>(random)?);
        Ok(Self(SecretBox::init_with(|| *bytes)))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Neither a link to somewhere else nor a pipe that never answers.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

fn read(path: &Path, file: File) -> Result<MasterKey, MasterKeyError> {
    let fault = |source| MasterKeyError::File { path: path.to_owned(), source };
    check(path, &file.metadata().map_err(fault)?)?;
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or(0) + 1));
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(fault)?;
    MasterKey::decode(&text)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), MasterKeyError> {
    let path = || path.to_owned();
    if !metadata.is_file() {
        return Err(MasterKeyError::NotAFile { path: path() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(MasterKeyError::Mode { path: path(), mode });
    }
    check_owner(&path(), metadata.uid(), rustix::process::geteuid().as_raw())
}

fn check_owner(path: &Path, owner: u32, user: u32) -> Result<(), MasterKeyError> {
    match owner == user {
        true => Ok(()),
        false => Err(MasterKeyError::Owner { path: path.to_owned(), owner, user }),
    }
}

/// Makes the file, unless somebody else does at the same time.
fn create_file(path: &Path, random: &SystemRandom) -> Result<(), MasterKeyError> {
    let key = MasterKey::generate(random)?;
    let text = Zeroizing::new(STANDARD.encode(key.expose()) + "\n");
    write_new(path, text.as_bytes()).map_err(|source| MasterKeyError::File { path: path.to_owned(), source })
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Mode 0600 from its first moment; it gets its name only when it is whole and on disk.
    let mut file = tempfile::Builder::new().prefix(".master-key-").tempfile_in(directory)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_file) => File::open(directory)?.sync_all(),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn from_file(path: &Path) -> Result<MasterKey, MasterKeyError> {
        MasterKey::from_file(path, &SystemRandom::new())
    }

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn makes_the_file_once_and_reads_it_ever_after() {
        let directory = directory();
        let path = directory.path().join("master.key");
        let made = from_file(&path).expect("a key");
        assert_eq!(from_file(&path).expect("the key").expose(), made.expose());
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn many_at_once_agree_on_one_key() {
        let directory = directory();
        let path = directory.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| from_file(&path).expect("a key"))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|key| key.expose() == keys[0].expose()));
    }

    #[test]
    fn refuses_a_file_that_others_may_touch() {
        let directory = directory();
        let path = directory.path().join("master.key");
        from_file(&path).expect("a key");
        for mode in [0o640, 0o604, 0o602, 0o660, 0o644, 0o700, 0o4600] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert!(
                matches!(from_file(&path), Err(MasterKeyError::Mode { mode: seen, .. }) if seen == mode),
                "{mode:o}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("set");
        assert!(from_file(&path).is_ok());
    }

    #[test]
    fn refuses_a_file_of_somebody_else() {
        let path = Path::new("master.key");
        assert!(check_owner(path, 1000, 1000).is_ok());
        // Root's too: what root wrote there, this user did not.
        for owner in [0, 1001] {
            let refused = check_owner(path, owner, 1000);
            assert!(matches!(refused, Err(MasterKeyError::Owner { owner: seen, user: 1000, .. }) if seen == owner));
        }
    }

    #[test]
    fn refuses_what_is_not_a_regular_file() {
        let directory = directory();
        let (path, link) = (directory.path().join("master.key"), directory.path().join("link"));
        from_file(&path).expect("a key");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(matches!(from_file(&link), Err(MasterKeyError::File { .. })));
        assert!(matches!(from_file(directory.path()), Err(MasterKeyError::NotAFile { .. })));
        assert!(matches!(from_file(Path::new("/dev/null")), Err(MasterKeyError::NotAFile { .. })));
    }

    #[test]
    fn takes_32_bytes_of_base64_and_nothing_else() {
        let text = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        let from = |text: &str| MasterKey::from_base64(&SecretString::from(text));
        assert_eq!(from(&format!(" {}\n", text(32))).expect("a key").expose(), [7; 32]);
        for wrong in
            [String::new(), text(31), text(33), text(35), text(64), "k".repeat(1000), text(32).replace('=', "")]
        {
            assert!(matches!(from(&wrong), Err(MasterKeyError::Format)), "{wrong}");
        }
    }
}
