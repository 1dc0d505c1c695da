//! What the operator is told when the database cannot be opened.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    process,
    time::Duration,
};

use diesel::connection::SimpleConnection as _;
use tempfile::TempDir;

use super::fixture::{Fixture, set};
use crate::{CommandStore, OpenError, Store, StoreOptions, migrate};

/// Prepares a data folder, and returns what a server and a command say then, the folder's name left out.
fn said(prepare: impl FnOnce(&Path)) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane.sqlite");
    prepare(&path);
    (server_said(&folder, &path), command_said(&folder, &path))
}

fn server_said(folder: &TempDir, path: &Path) -> String {
    let mut options = StoreOptions::new(path);
    options.busy_timeout = Duration::from_millis(50);
    message(folder, Store::open(options).err())
}

fn command_said(folder: &TempDir, path: &Path) -> String {
    message(folder, CommandStore::open(path).err())
}

fn message(folder: &TempDir, error: Option<OpenError>) -> String {
    let message = error.map_or_else(|| "opened".to_owned(), |error| error.to_string());
    message.replace(&format!("{}/", folder.path().display()), "")
}

/// Makes a database that no server uses any more.
fn create(path: &Path) {
    let store = Store::open(StoreOptions::new(path)).unwrap();
    store.close();
}

fn change(path: &Path, sql: &str) {
    crate::connection::establish(path, Duration::ZERO).unwrap().batch_execute(sql).unwrap();
}

#[test]
fn a_new_folder_is_for_a_server_to_fill() {
    let (server, command) = said(|_| {});
    assert_eq!(server, "opened");
    // The server filled it.
    assert_eq!(command, "opened");
    let folder = tempfile::tempdir().unwrap();
    let missing = "there is no database at backplane.sqlite: name the data folder of a server that ran before";
    assert_eq!(command_said(&folder, &folder.path().join("backplane.sqlite")), missing);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_no_database() {
    let foreign = "backplane.sqlite is not a Backplane database: move it away, or name another data folder";
    let (server, command) = said(|path| fs::write(path, "Dear diary, ".repeat(1000)).unwrap());
    assert_eq!((server.as_str(), command.as_str()), (foreign, foreign));
}

#[test]
fn the_database_of_another_program_which_stays_as_it_is() {
    let foreign = "backplane.sqlite is not a Backplane database: move it away, or name another data folder";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane.sqlite");
    change(&path, "CREATE TABLE theirs (a)");
    let before = fs::read(&path).unwrap();
    assert_eq!(server_said(&folder, &path), foreign);
    assert_eq!(command_said(&folder, &path), foreign);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_whose_end_is_missing() {
    let corrupt = "backplane.sqlite is damaged: move it and its -wal and -shm files away and restore a backup with \
                   `backplane restore`";
    let (server, command) = said(|path| {
        create(path);
        File::options().write(true).open(path).unwrap().set_len(3 * 4096).unwrap();
    });
    assert_eq!((server.as_str(), command.as_str()), (corrupt, corrupt));
}

#[test]
fn a_database_whose_list_of_tables_is_overwritten() {
    let corrupt = "backplane.sqlite is damaged: move it and its -wal and -shm files away and restore a backup with \
                   `backplane restore`";
    let (server, command) = said(|path| {
        create(path);
        let mut file = File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(100)).unwrap();
        file.write_all(&[0x5a; 3000]).unwrap();
    });
    assert_eq!((server.as_str(), command.as_str()), (corrupt, corrupt));
}

#[test]
fn a_database_of_a_newer_program() {
    let (server, command) = said(|path| {
        create(path);
        change(path, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')");
    });
    let newer = "backplane.sqlite has schema 20990101000001, this program knows schemas up to ";
    assert!(server.starts_with(newer), "{server}");
    assert_eq!(command, server);
}

#[test]
fn a_database_of_an_older_program_is_brought_up_by_the_server_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane.sqlite");
    create(&path);
    migrate::revert_last(&mut crate::connection::establish(&path, Duration::ZERO).unwrap());
    let said = command_said(&folder, &path);
    let advice = "start the server of this version once, or use the command of the version that runs";
    assert!(said.starts_with("backplane.sqlite has schema 2026") && said.ends_with(advice), "{said}");
    assert_eq!(server_said(&folder, &path), "opened");
    assert_eq!(command_said(&folder, &path), "opened");
}

#[test]
fn a_folder_in_the_place_of_the_database() {
    let unreachable = "backplane.sqlite cannot be opened: it must be a file, in a folder that this user can write to";
    let (server, command) = said(|path| fs::create_dir(path).unwrap());
    assert_eq!((server.as_str(), command.as_str()), (unreachable, unreachable));
}

#[test]
fn a_folder_that_a_server_uses_is_for_commands_too() {
    let fixture = Fixture::new();
    fixture.write(&fixture.space("a"), vec![set("x", "1")]);
    let path = fixture.store.path();
    let locked = format!(
        "another server (process {}) uses backplane.lock: stop it, or give this one a data folder of its own",
        process::id()
    );
    assert_eq!(server_said(&fixture.folder, path), locked);
    assert_eq!(command_said(&fixture.folder, path), "opened");
    fixture.store.close();
    // The lock is the store's to its end, not its writer's.
    assert_eq!(server_said(&fixture.folder, path), locked);
    let Fixture { store, folder, .. } = fixture;
    let path = store.path().to_owned();
    drop(store);
    assert_eq!(server_said(&folder, &path), "opened");
}

#[test]
fn a_database_that_another_program_is_writing_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backplane.sqlite");
    create(&path);
    let mut other = crate::connection::establish(&path, Duration::ZERO).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let busy = "another program keeps backplane.sqlite busy: end it, then try again";
    assert_eq!(server_said(&folder, &path), busy);
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(server_said(&folder, &path), "opened");
}
