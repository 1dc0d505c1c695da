//! Restores: what is refused, with its message, and what is left of the database that was there.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{backup::back_up, migrate::migrate};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A data folder and a backup folder.
struct Folders {
    _root: tempfile::TempDir,
    database: PathBuf,
    backup: PathBuf,
}

fn folders() -> io::Result<Folders> {
    let root = tempfile::tempdir()?;
    fs::create_dir(root.path().join("data"))?;
    let database = root.path().join("data").join("backplane.sqlite");
    let backup = root.path().join("backup");
    Ok(Folders { _root: root, database, backup })
}

/// A database as a server has it, in which this plugin is known.
fn open(path: &Path, plugin: &str) -> Result<SqliteConnection, Box<dyn std::error::Error>> {
    let mut connection = establish(path, Duration::from_secs(1))?;
    connection.batch_execute("PRAGMA journal_mode = WAL")?;
    migrate(&mut connection, path)?;
    connection.batch_execute(&format!("INSERT INTO plugins (name) VALUES ('{plugin}')"))?;
    Ok(connection)
}

/// Returns the path of another file of the database.
fn beside(database: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", database.display()))
}

/// Makes a plugin known, and leaves the files as a process that was killed does: the log, and a database that it is not
/// folded into.
fn crash_after(database: &Path, plugin: &str) -> TestResult {
    let connection = open(database, plugin)?;
    let files = ["", "-wal", "-shm"].map(|end| beside(database, end));
    let left = files.iter().map(fs::read).collect::<io::Result<Vec<_>>>()?;
    drop(connection);
    files.iter().zip(left).try_for_each(|(file, bytes)| fs::write(file, bytes))?;
    Ok(())
}

/// The data folder's files, and the plugins in its database.
fn state(database: &Path) -> Result<(Vec<String>, Vec<String>), Box<dyn std::error::Error>> {
    let names = fs::read_dir(folder_of(database))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    use crate::schema::plugins;
    let mut connection = establish(database, Duration::from_secs(1))?;
    Ok((
        names,
        plugins::table.filter(plugins::name.ne("")).select(plugins::name).order(plugins::name).load(&mut connection)?,
    ))
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(String::from).into()
}

#[test]
fn brings_back_the_state_of_the_backup() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    let mut connection = open(&database, "before")?;
    back_up(&database, &backup)?;
    connection.batch_execute("INSERT INTO plugins (name) VALUES ('after')")?;
    drop(connection);
    restore(&backup, &database, Existing::Replace)?;
    assert_eq!(state(&database)?, (strings(["backplane.lock", "backplane.sqlite"]), strings(["before"])));
    assert_eq!(fs::metadata(&database)?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[test]
fn makes_the_data_folder_where_there_is_none() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    drop(open(&database, "a")?);
    back_up(&database, &backup)?;
    let elsewhere = _root.path().join("new").join("data").join("backplane.sqlite");
    restore(&backup, &elsewhere, Existing::Keep)?;
    assert_eq!(state(&elsewhere)?.1, ["a"]);
    Ok(())
}

#[test]
fn keeps_a_database_that_is_not_to_be_replaced() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    drop(open(&database, "a")?);
    back_up(&database, &backup)?;
    let refused = restore(&backup, &database, Existing::Keep).expect_err("there is a database").to_string();
    let advice = "back it up, then restore with --force to replace it";
    assert_eq!(refused, format!("{} exists: {advice}", database.display()));
    Ok(())
}

#[test]
fn a_log_that_a_crash_left_does_not_get_into_the_restored_database() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    drop(open(&database, "before")?);
    back_up(&database, &backup)?;
    crash_after(&database, "after")?;
    let log = fs::read(beside(&database, "-wal"))?;
    assert_eq!(state(&database)?.1, ["after", "before"]);
    fs::write(beside(&database, "-wal"), &log)?;

    restore(&backup, &database, Existing::Replace)?;
    assert_eq!(state(&database)?, (strings(["backplane.lock", "backplane.sqlite"]), strings(["before"])));
    Ok(())
}

#[test]
fn a_log_that_cannot_be_folded_in_stays_with_its_database() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    drop(open(&database, "before")?);
    back_up(&database, &backup)?;
    crash_after(&database, "after")?;
    // SQLite does not follow a link to a log.
    let (log, elsewhere) = (beside(&database, "-wal"), _root.path().join("log"));
    fs::rename(&log, &elsewhere)?;
    std::os::unix::fs::symlink(&elsewhere, &log)?;
    let bytes = || Ok::<_, io::Error>((fs::read(&database)?, fs::read(&log)?));
    let before = bytes()?;

    let refused = restore(&backup, &database, Existing::Replace).expect_err("the log cannot be opened");
    assert!(matches!(refused, RestoreError::Database(OpenError::Unreachable { .. })), "{refused:?}");
    assert!(bytes()? == before, "something was changed");
    fs::rename(&elsewhere, &log)?;
    assert_eq!(state(&database)?.1, ["after", "before"]);
    Ok(())
}

#[test]
fn refuses_while_a_server_runs() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    drop(open(&database, "a")?);
    back_up(&database, &backup)?;
    let lock = ServerLock::take(&database)?;
    let refused = restore(&backup, &database, Existing::Replace).expect_err("a server runs");
    assert!(matches!(refused, RestoreError::Database(OpenError::Locked { .. })), "{refused}");
    drop(lock);
    restore(&backup, &database, Existing::Replace)?;
    Ok(())
}

#[test]
fn refuses_while_another_program_has_the_database_open() -> TestResult {
    let Folders { database, backup, _root } = folders()?;
    let mut connection = open(&database, "a")?;
    back_up(&database, &backup)?;
    let refused = restore(&backup, &database, Existing::Replace).expect_err("it is open").to_string();
    assert_eq!(refused, format!("another program keeps {} busy: end it, then try again", database.display()));
    // It can go on as if nothing had been tried.
    connection.batch_execute("INSERT INTO plugins (name) VALUES ('b')")?;
    drop(connection);
    assert_eq!(state(&database)?, (strings(["backplane.lock", "backplane.sqlite"]), strings(["a", "b"])));
    Ok(())
}

#[test]
fn replaces_a_database_that_is_beyond_help() -> TestResult {
    for damage in [&b"SQLite format 3\0 and then nonsense"[..], &[0x5a; 50_000], b""] {
        let Folders { database, backup, _root } = folders()?;
        drop(open(&database, "a")?);
        back_up(&database, &backup)?;
        fs::write(&database, damage)?;
        restore(&backup, &database, Existing::Replace)?;
        assert_eq!(state(&database)?.1, ["a"]);
    }
    Ok(())
}

/// What is done to a backup, and the message that says so.
fn refused(damage: impl FnOnce(&Path) -> TestResult) -> Result<String, Box<dyn std::error::Error>> {
    let Folders { database, backup, _root } = folders()?;
    let mut connection = open(&database, "a")?;
    connection.batch_execute("INSERT INTO kv VALUES (1, 'b', x'01', 1, NULL, zeroblob(100000))")?;
    back_up(&database, &backup)?;
    drop(connection);
    let before = state(&database)?;
    damage(&backup)?;
    let error = restore(&backup, &database, Existing::Replace).expect_err("the backup is of no use");
    let (mut names, plugins) = state(&database)?;
    names.retain(|name| name != "backplane.lock");
    assert_eq!((names, plugins), before);
    Ok(error.to_string().replace(&backup.display().to_string(), "BACKUP"))
}

#[test]
fn a_file_that_is_no_backup_changes_nothing() -> TestResult {
    let no_backup = "BACKUP is not a backup of a Backplane database: name a file that `backplane backup` wrote";
    assert_eq!(
        refused(|backup| Ok(fs::write(backup, "Dear diary, today nothing was damaged. ".repeat(100))?))?,
        no_backup
    );
    assert_eq!(refused(|backup| Ok(fs::write(backup, "")?))?, no_backup);
    let theirs = |backup: &Path| {
        fs::remove_file(backup)?;
        establish(backup, Duration::ZERO)?.batch_execute("CREATE TABLE theirs (a)")?;
        Ok(())
    };
    assert_eq!(refused(theirs)?, no_backup);
    for unreadable in [
        |backup: &Path| fs::remove_file(backup),
        |backup: &Path| {
            fs::remove_file(backup)?;
            fs::create_dir(backup)
        },
    ] {
        assert_eq!(refused(|backup| Ok(unreadable(backup)?))?, "failed to read the backup BACKUP");
    }
    Ok(())
}

#[derive(QueryableByName)]
struct RootPage {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rootpage: i64,
}

#[test]
fn a_damaged_backup_changes_nothing() -> TestResult {
    let damaged = "the backup BACKUP is damaged: use another one";
    let cut = |backup: &Path| Ok(File::options().write(true).open(backup)?.set_len(20_000)?);
    assert_eq!(refused(cut)?, damaged);
    // In a place that nothing looks at but a check of everything.
    let overwrite = |backup: &Path| {
        let mut connection = establish(backup, Duration::ZERO)?;
        let root: RootPage =
            sql_query("SELECT rootpage FROM sqlite_schema WHERE name = 'kv'").get_result(&mut connection)?;
        let mut bytes = fs::read(backup)?;
        let page = bytes.chunks_mut(4_096).nth(usize::try_from(root.rootpage)? - 1).ok_or("there is no such page")?;
        page.fill(0x5a);
        Ok(fs::write(backup, bytes)?)
    };
    assert_eq!(refused(overwrite)?, damaged);
    Ok(())
}

#[test]
fn a_database_with_a_log_beside_it_is_no_backup() -> TestResult {
    let Folders { _root, database, backup } = folders()?;
    open(&database, "live")?;
    crash_after(&backup, "last")?;
    let refused = restore(&backup, &database, Existing::Replace).err().ok_or("it was restored without its log")?;
    assert!(matches!(refused, RestoreError::HasLog { .. }), "{refused}");
    assert_eq!(state(&database)?.1, ["live"]);
    // Once it is folded into the database, that is whole.
    drop(open(&backup, "folded")?);
    restore(&backup, &database, Existing::Replace)?;
    assert_eq!(state(&database)?.1, ["folded", "last"]);
    Ok(())
}

#[test]
fn the_backup_of_a_newer_program_changes_nothing() -> TestResult {
    let newer = |backup: &Path| {
        let mut connection = establish(backup, Duration::ZERO)?;
        connection.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')")?;
        Ok(())
    };
    let message = refused(newer)?;
    assert!(message.starts_with("BACKUP has schema 20990101000001, this program knows schemas up to "), "{message}");
    Ok(())
}
