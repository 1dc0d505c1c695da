//! Commands that make or migrate the database, because no server has.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
    time::Duration,
};

use diesel::connection::SimpleConnection as _;
use tempfile::TempDir;

use super::fixture::Fixture;
use crate::{
    CommandStore, OpenError, Store, StoreOptions,
    connection::establish,
    identity::{
        testing::{ADMIN, new_user},
        users,
    },
    lock::ServerLock,
    migrate,
};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("backplane.sqlite");
    (folder, path)
}

/// Makes a database of the program before, which no server uses.
fn make_older(path: &Path) {
    Store::open(StoreOptions::new(path)).unwrap().close();
    migrate::revert_last(&mut establish(path, Duration::ZERO).unwrap());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_command_makes_what_the_first_server_finds() {
    let (_folder, path) = folder();
    let mut commands = CommandStore::open_or_create(&path).unwrap();
    commands.write(|connection| users::create(connection, &new_user("ada", ADMIN))).unwrap();
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    // Also with the command not at its end yet: it keeps the server's lock for the making only.
    let server = Store::open(StoreOptions::new(&path)).unwrap();
    let found = server.read(|connection| users::find_by_name(connection, "ada")).unwrap();
    assert_eq!(found.map(|user| user.roles).as_deref(), Some(ADMIN));
}

#[test]
fn an_empty_file_is_a_database_that_is_not_made_yet() {
    let (_folder, path) = folder();
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let mut commands = CommandStore::open_or_create(&path).unwrap();
    assert_eq!(commands.read(users::count).unwrap(), 0);
}

#[test]
fn a_database_of_an_older_program_is_migrated_while_no_server_runs() {
    let (_folder, path) = folder();
    make_older(&path);
    assert!(matches!(CommandStore::open(&path), Err(OpenError::Older { .. })));
    CommandStore::open_or_create(&path).unwrap();
    CommandStore::open(&path).unwrap();
}

#[test]
fn nothing_is_migrated_beside_a_server() {
    let (_folder, path) = folder();
    make_older(&path);
    let server = ServerLock::take(&path).unwrap();
    let refused = CommandStore::open_or_create(&path).err();
    assert!(matches!(refused, Some(OpenError::Older { .. })), "{refused:?}");
    drop(server);
    assert!(matches!(CommandStore::open(&path), Err(OpenError::Older { .. })));
}

#[test]
fn nothing_is_made_in_a_folder_that_somebody_has() {
    let (_folder, path) = folder();
    fs::create_dir(path.parent().unwrap()).unwrap();
    let _server = ServerLock::take(&path).unwrap();
    let refused = CommandStore::open_or_create(&path).err();
    assert!(matches!(refused, Some(OpenError::Locked { .. })), "{refused:?}");
    assert!(!path.exists());
}

#[test]
fn the_database_of_a_running_server_is_opened() {
    let fixture = Fixture::new();
    CommandStore::open_or_create(fixture.store.path()).unwrap();
}

#[test]
fn another_programs_database_is_refused_and_stays() {
    let (_folder, path) = folder();
    fs::create_dir(path.parent().unwrap()).unwrap();
    establish(&path, Duration::ZERO).unwrap().batch_execute("CREATE TABLE theirs (a)").unwrap();
    let before = fs::read(&path).unwrap();
    let refused = CommandStore::open_or_create(&path).err();
    assert!(matches!(refused, Some(OpenError::Foreign { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn of_commands_that_come_at_once_one_makes_it_and_all_get_it() {
    let (_folder, path) = folder();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for number in 0..4 {
            let (path, start) = (&path, &start);
            scope.spawn(move || {
                start.wait();
                let mut commands = CommandStore::open_or_create(path).unwrap();
                let user = new_user(&format!("user{number}"), "");
                commands.write(|connection| users::create(connection, &user)).unwrap();
            });
        }
    });
    assert_eq!(CommandStore::open(&path).unwrap().read(users::count).unwrap(), 4);
}
