//! The commands on a real database, with a server's store on it and without.

use std::{fs, sync::Arc};

use backplane_store::{Change, Commit, KeyWrite, Quota, Store, StoreOptions};
use tempfile::TempDir;

use super::{delete::DeleteArgs, export::ExportArgs};
use crate::{
    command::{backup, backup::BackupArgs, database::DatabaseArgs, restore, restore::RestoreArgs},
    serve::DATABASE_FILE,
};

/// Opens the store of a server, in which plugin `orders` keeps these keys.
fn serving(data: &TempDir, keys: &[(&str, &[u8])]) -> Arc<Store> {
    let store = Store::open(StoreOptions::new(data.path().join(DATABASE_FILE))).expect("a store");
    let space = store.space("orders", Quota::default()).expect("a space");
    let write = |(key, value): &(&str, &[u8])| {
        let change = Change::Set { value: value.to_vec(), ttl_ms: None };
        KeyWrite { bucket: "b".into(), key: key.as_bytes().to_vec(), change }
    };
    let writes = keys.iter().map(write).collect();
    let commit = Commit { writes, ..Commit::new(space, 0) };
    store.commit(commit).expect("room").wait().expect("written");
    store
}

fn keys(store: &Store) -> u64 {
    store.usage("orders").expect("read").map_or(0, |usage| usage.keys)
}

fn data() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn exports_every_key_and_overwrites_nothing() {
    let data = data();
    let _store = serving(&data, &[("a", b"1"), ("b", &[0xff])]);
    let out = data.path().join("orders.jsonl");
    let args = |name: &str| ExportArgs {
        name: name.to_owned(),
        database: DatabaseArgs::of(data.path()),
        out: Some(out.clone()),
    };
    super::export::run(&args("orders")).expect("exported");
    let expected = "{\"bucket\":\"b\",\"key\":\"a\",\"value\":\"1\"}\n{\"bucket\":\"b\",\"key\":\"b\",\"value_base64\":\"/w==\"}\n";
    assert_eq!(fs::read_to_string(&out).expect("read"), expected);
    let again = super::export::run(&args("orders")).expect_err("it exists").to_string();
    assert!(again.contains("orders.jsonl exists"), "{again}");
    fs::remove_file(&out).expect("removed");
    let unknown = super::export::run(&args("nobody")).expect_err("it kept nothing").to_string();
    assert!(unknown.contains("`nobody` never kept anything") && unknown.contains("data list"), "{unknown}");
    assert!(!out.exists());
}

#[test]
fn deletes_everything_of_one_plugin_beside_a_server() {
    let data = data();
    let store = serving(&data, &[("a", b"1"), ("b", b"2")]);
    let args = |name: &str, yes| DeleteArgs {
        name: name.to_owned(),
        database: DatabaseArgs::of(data.path()),
        yes,
        json: true,
    };
    super::delete::run(&args("orders", true)).expect("deleted");
    assert_eq!(keys(&store), 0);
    assert!(super::delete::run(&args("nobody", true)).is_err());
}

#[test]
fn a_backup_of_a_server_that_runs_is_restored_when_it_does_not() {
    let (data, elsewhere) = (data(), data());
    let store = serving(&data, &[("a", b"1")]);
    let file = elsewhere.path().join("backup.sqlite");
    let back_up =
        || backup::run(&BackupArgs { file: file.clone(), database: DatabaseArgs::of(data.path()), json: true });
    back_up().expect("backed up");
    assert!(back_up().expect_err("it exists").to_string().contains("exists"));

    let restore = |force| {
        let database = DatabaseArgs::of(data.path());
        restore::run(&RestoreArgs { file: file.clone(), database, force, json: false }).map_err(|e| e.to_string())
    };
    let refused = restore(true).expect_err("a server runs");
    assert!(refused.contains("stop it"), "{refused}");
    drop(store);
    drop(serving(&data, &[("b", b"2")]));
    let refused = restore(false).expect_err("a database is there");
    assert!(refused.contains("--force"), "{refused}");
    restore(true).expect("restored");
    assert_eq!(keys(&serving(&data, &[])), 1);
}

#[test]
fn says_that_there_is_no_database() {
    let data = data();
    let args = BackupArgs { file: data.path().join("x"), database: DatabaseArgs::of(data.path()), json: false };
    let error = backup::run(&args).expect_err("nothing is there").to_string();
    assert!(error.contains("there is no database at"), "{error}");
}
