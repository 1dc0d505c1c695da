//! Backups of a database that nobody uses, and of one that a thread writes to as fast as it can.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use diesel::connection::SimpleConnection as _;

use super::*;
use crate::{connection::establish, migrate::migrate};

type TestResult = Result<(), Box<dyn Error>>;

/// A database with one plugin.
fn database(folder: &Path) -> Result<(PathBuf, SqliteConnection), Box<dyn Error>> {
    let path = folder.join("backplane.sqlite");
    let mut connection = establish(&path, Duration::from_secs(5))?;
    connection.batch_execute("PRAGMA journal_mode = WAL")?;
    migrate(&mut connection, &path)?;
    connection.batch_execute("INSERT INTO plugins (name) VALUES ('a')")?;
    Ok((path, connection))
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn a_backup_is_one_file_for_this_user_alone() -> TestResult {
    let (data, target) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (path, _connection) = database(data.path())?;
    let backup = target.path().join("it's a \"backup\"?#%41.sqlite");
    back_up(&path, &backup)?;
    assert_eq!(fs::metadata(&backup)?.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(target.path())?.count(), 1);
    let mut copy = establish(&backup, Duration::ZERO)?;
    check(&mut copy, &backup)?;
    assert_eq!(crate::plugins::find_id(&mut copy, "a")?, Some(1));
    Ok(())
}

#[test]
fn never_overwrites_anything() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, _connection) = database(folder.path())?;
    let backup = folder.path().join("backup");
    fs::write(&backup, "precious")?;
    let refused = back_up(&path, &backup).expect_err("the file is there").to_string();
    assert_eq!(refused, format!("{} exists: name a new file for the backup", backup.display()));
    assert_eq!(fs::read(&backup)?, b"precious");
    // As when another backup gets the name first.
    let refused = keep(create(&backup)?, &backup);
    assert_eq!(refused.map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
    assert_eq!(fs::read(&backup)?, b"precious");
    Ok(())
}

#[test]
fn leaves_nothing_behind_when_it_fails() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (path, mut connection) = database(folder.path())?;
    connection.batch_execute("INSERT INTO kv VALUES (1, 'b', x'01', 1, NULL, zeroblob(1000000))")?;
    connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
    drop(connection);
    let mut bytes = fs::read(&path)?;
    bytes.get_mut(8_192..100_000).ok_or("the database is larger")?.fill(0x5a);
    fs::write(&path, bytes)?;
    let before = names(folder.path())?;
    let refused = back_up(&path, &folder.path().join("backup")).expect_err("the database is damaged");
    assert!(matches!(refused, BackupError::Database(OpenError::Corrupt { .. })), "{refused}");
    assert_eq!(names(folder.path())?, before);
    Ok(())
}

#[test]
fn says_when_there_is_nothing_to_back_up_or_nowhere_to_put_it() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (missing, backup) = (folder.path().join("missing"), folder.path().join("backup"));
    let refused = back_up(&missing, &backup).expect_err("there is no database").to_string();
    let advice = "name the data folder of a server that ran before";
    assert_eq!(refused, format!("there is no database at {}: {advice}", missing.display()));

    let (path, _connection) = database(folder.path())?;
    let refused = back_up(&path, &folder.path().join("no").join("folder")).expect_err("there is no folder");
    assert!(matches!(refused, BackupError::Write { .. }), "{refused}");
    Ok(())
}
