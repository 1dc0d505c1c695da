//! The folder of the database: private to this user, and on a file system that a database survives on.
//!
//! SQLite's write-ahead log is shared memory between the processes that use a database. A network file system gives
//! each machine its own, and locks that do not hold, so two machines would damage the database without noticing.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::open_error::OpenError;

/// What a file system is to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Network(&'static str),
    /// A program behind FUSE, which may be anything.
    Unknown(&'static str),
}

/// The file systems that are not of this machine alone, by `f_type` of statfs(2).
const NETWORK: &[(u32, &str)] = &[
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x786f_4256, "VirtualBox shared folder"),
    (0xbacb_acbc, "VMware shared folder"),
];

const FUSE: u32 = 0x6573_5546;

/// Makes sure that there is a folder for the database at `path`, which only this user can enter when it is new.
///
/// # Errors
/// When it cannot be created, or is on a network file system.
pub(crate) fn prepare_folder(path: &Path) -> Result<(), OpenError> {
    let folder = folder_of(path);
    let created = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    created.map_err(|error| OpenError::from_io(&folder, error))?;
    require_local(&folder)
}

/// Checks that a folder is not on a network file system.
///
/// # Errors
/// When it is.
pub(crate) fn require_local(folder: &Path) -> Result<(), OpenError> {
    let statfs = rustix::fs::statfs(folder).map_err(|error| OpenError::from_io(folder, error.into()))?;
    // The values are 32 bits wide; the field is as wide as the machine's words, and signed.
    judge(folder, kind_of(statfs.f_type as u32))
}

/// Returns the folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn kind_of(f_type: u32) -> Kind {
    match NETWORK.iter().find(|(network, _)| *network == f_type) {
        Some((_, name)) => Kind::Network(name),
        None if f_type == FUSE => Kind::Unknown("FUSE"),
        None => Kind::Local,
    }
}

fn judge(folder: &Path, kind: Kind) -> Result<(), OpenError> {
    match kind {
        Kind::Local => Ok(()),
        Kind::Network(kind) => Err(OpenError::NetworkFileSystem { path: folder.to_owned(), kind }),
        Kind::Unknown(kind) => {
            let folder = folder.display();
            tracing::warn!(%folder, kind, "the data folder must be on a disk of this machine, which is not known here");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_network_file_system_is_refused_with_what_to_do() {
        for (f_type, name) in NETWORK {
            let refused = judge(Path::new("/data"), kind_of(*f_type)).expect_err("it is a network file system");
            assert_eq!(
                refused.to_string(),
                format!(
                    "/data is on a network file system ({name}), where a database is damaged sooner or later: put the \
                     data folder on a disk of this machine"
                )
            );
        }
    }

    #[test]
    fn disks_and_memory_are_local_and_fuse_is_let_through() {
        for (f_type, kind) in [(0xef53, Kind::Local), (0x0102_1994, Kind::Local), (FUSE, Kind::Unknown("FUSE"))] {
            assert_eq!(kind_of(f_type), kind);
            assert!(judge(Path::new("/data"), kind).is_ok());
        }
    }

    #[test]
    fn the_kernel_says_what_a_folder_is_on() -> TestResult {
        assert_eq!(rustix::fs::statfs("/proc")?.f_type as u32, 0x9fa0);
        require_local(tempfile::tempdir()?.path())?;
        Ok(())
    }

    #[test]
    fn a_new_folder_is_for_this_user_alone_and_one_that_is_there_stays() -> TestResult {
        let root = tempfile::tempdir()?;
        let path = root.path().join("data").join("inner").join("backplane.sqlite");
        prepare_folder(&path)?;
        assert_eq!(fs::metadata(folder_of(&path))?.permissions().mode() & 0o777, 0o700);
        fs::set_permissions(folder_of(&path), fs::Permissions::from_mode(0o750))?;
        prepare_folder(&path)?;
        assert_eq!(fs::metadata(folder_of(&path))?.permissions().mode() & 0o777, 0o750);
        Ok(())
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_said() -> TestResult {
        let root = tempfile::tempdir()?;
        fs::write(root.path().join("data"), "")?;
        let refused = prepare_folder(&root.path().join("data").join("backplane.sqlite"));
        let message = refused.expect_err("the folder is a file").to_string();
        assert_eq!(message, format!("failed to open {}", root.path().join("data").display()));
        Ok(())
    }

    #[test]
    fn a_bare_name_is_in_the_working_folder() {
        assert_eq!(folder_of(Path::new("backplane.sqlite")), Path::new("."));
        assert_eq!(folder_of(Path::new("/data/backplane.sqlite")), Path::new("/data"));
    }
}
