//! Versions of plugins, over a restart.

use std::collections::BTreeMap;

use super::fixture::Fixture;
use crate::{
    Store, StoreError, StoreOptions,
    versions::{History, Pin, Version},
};

fn history(hashes: &[&str], live: &str) -> History {
    let version = |hash: &&str| Version {
        hash: (*hash).into(),
        version: "1.0.0".into(),
        file: "a.wasm".into(),
        sidecar: None,
        loaded_at_ms: 1,
    };
    let pin = Some(Pin { chosen: live.into(), instead_of: "file".into() });
    History { versions: hashes.iter().map(version).collect(), live: Some(live.into()), pin }
}

#[test]
fn are_there_after_a_restart() {
    let fixture = Fixture::new();
    let kept = history(&["2", "1"], "1");
    fixture.store.replace_history("a", history(&["1"], "1")).unwrap();
    fixture.store.replace_history("a", kept.clone()).unwrap();
    let Fixture { store, folder, .. } = fixture;
    let path = store.path().to_owned();
    drop(store);
    let store = Store::open(StoreOptions::new(path)).unwrap();
    assert_eq!(store.histories().unwrap(), BTreeMap::from([("a".into(), kept)]));
    drop((store, folder));
}

#[test]
fn one_that_the_database_refuses_leaves_the_one_before() {
    let fixture = Fixture::new();
    let kept = history(&["1"], "1");
    fixture.store.replace_history("a", kept.clone()).unwrap();
    let refused = fixture.store.replace_history("a", history(&["2"], "1"));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(fixture.store.histories().unwrap(), BTreeMap::from([("a".into(), kept)]));
}
