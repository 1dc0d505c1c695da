//! One server for each database: a lock file beside it, held as long as the server runs.
//!
//! The operating system ends the lock with the process, however that ends, so a file that is left over means nothing.
//! It is never deleted: who deletes a lock file takes the lock from somebody who just got it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process,
};

use crate::open_error::OpenError;

/// Most digits of a process id, and the end of the line.
const PID_BYTES_MAX: u64 = 12;

/// The right to serve a database. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock of the database at `path`, whose folder exists.
    ///
    /// # Errors
    /// When another process has it, or the lock file cannot be written.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let path = lock_path(path);
        let failed = |error| OpenError::from_io(&path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { pid: read_pid(&file), path }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    database.with_extension("lock")
}

/// Who has the lock writes its number right after it took it; for a moment there is none.
fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn two_servers_never_share_a_database() -> TestResult {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("backplane.sqlite");
        let first = ServerLock::take(&database)?;
        let refused = ServerLock::take(&database).expect_err("it is taken").to_string();
        let lock = folder.path().join("backplane.lock");
        let server = format!("another server (process {})", process::id());
        let advice = "stop it, or give this one a data folder of its own";
        assert_eq!(refused, format!("{server} uses {}: {advice}", lock.display()));
        drop(first);
        ServerLock::take(&database)?;
        assert_eq!(fs::metadata(lock)?.permissions().mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn what_a_process_that_ended_left_means_nothing() -> TestResult {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("backplane.sqlite");
        fs::write(folder.path().join("backplane.lock"), "4294967295 and more than fits into a line")?;
        let _lock = ServerLock::take(&database)?;
        assert_eq!(fs::read_to_string(folder.path().join("backplane.lock"))?, format!("{}\n", process::id()));
        Ok(())
    }

    #[test]
    fn a_holder_without_a_number_is_named_without_one() -> TestResult {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("backplane.sqlite");
        let _lock = ServerLock::take(&database)?;
        fs::write(folder.path().join("backplane.lock"), "")?;
        let refused = ServerLock::take(&database).expect_err("it is taken").to_string();
        assert!(refused.starts_with("another server uses "), "{refused}");
        Ok(())
    }

    #[test]
    fn a_lock_that_cannot_be_written_is_said() -> TestResult {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("backplane.lock"))?;
        let refused = ServerLock::take(&folder.path().join("backplane.sqlite"));
        assert!(matches!(&refused, Err(OpenError::Failed { .. })), "{refused:?}");
        Ok(())
    }
}
