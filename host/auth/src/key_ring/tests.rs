//! The ring over its whole life: rows in, changes out, and what is believed in between.

use std::sync::Arc;

use serde_json::Value;

use super::*;

struct Bench {
    ring: KeyRing,
    rows: Vec<StoredKey>,
}

const DAY: i64 = 24 * 3_600_000;

fn ring() -> KeyRing {
    let (provider, random) = (Provider::install().expect("installs"), SystemRandom::new());
    KeyRing::new(provider, MasterKey::generate(&random).expect("a key"), RotationPolicy::default(), random)
}

fn bench() -> Bench {
    let mut bench = Bench { ring: ring(), rows: Vec::new() };
    bench.rotate(0);
    bench
}

impl Bench {
    fn rotate(&mut self, now: i64) {
        let changes = self.ring.plan_rotation(&self.rows, UnixMs(now)).expect("a plan");
        self.apply(changes);
    }

    fn revoke(&mut self, kid: &str, now: i64) {
        let changes = self.ring.plan_revocation(&self.rows, kid, UnixMs(now)).expect("a plan");
        self.apply(changes);
    }

    fn apply(&mut self, changes: Vec<KeyChange>) {
        for change in changes {
            match change {
                KeyChange::Insert(row) => self.rows.push(row),
                KeyChange::Delete { kid } => self.rows.retain(|row| row.kid != kid),
                KeyChange::Move { kid, from, to, at } => {
                    let row = self.rows.iter_mut().find(|row| row.kid == kid).expect("the row");
                    assert_eq!(row.state, from);
                    (row.state, row.changed_at) = (to, at);
                }
            }
        }
        self.ring.publish(&self.rows).expect("opens");
    }

    fn published(&self) -> Vec<String> {
        let set: Value = serde_json::from_str(&self.ring.jwks()).expect("JSON");
        set["keys"].as_array().expect("keys").iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    }
}

#[test]
fn the_first_key_signs_at_once() {
    let bench = bench();
    assert_eq!(bench.ring.active_kid(), Some(bench.rows[0].kid.clone()));
    assert_eq!(bench.published(), [bench.rows[0].kid.clone()]);
    assert_eq!(ring().active_kid(), None);
    assert_eq!(&*ring().jwks(), r#"{"keys":[]}"#);
}

#[test]
fn a_rotation_publishes_first_and_keeps_what_was_signed_believed() {
    let mut bench = bench();
    let first = bench.rows[0].kid.clone();
    bench.rotate(29 * DAY);
    assert_eq!(bench.ring.active_kid(), Some(first.clone()));
    assert_eq!(bench.published().len(), 2);
    bench.rotate(30 * DAY);
    assert_ne!(bench.ring.active_kid(), Some(first.clone()));
    assert!(bench.ring.find_verifying_key(&first).is_some());
    bench.rotate(31 * DAY);
    assert!(bench.ring.find_verifying_key(&first).is_none());
    assert_eq!(bench.published().len(), 1);
}

#[test]
fn a_revoked_key_is_believed_no_more_and_another_signs() {
    let mut bench = bench();
    let first = bench.rows[0].kid.clone();
    let epoch = bench.ring.epoch();
    bench.revoke(&first, 5);
    assert!(bench.ring.find_verifying_key(&first).is_none());
    assert!(!bench.published().contains(&first));
    assert!(bench.ring.active_kid().is_some_and(|kid| kid != first));
    assert_ne!(bench.ring.epoch(), epoch);
    assert_eq!(bench.ring.plan_revocation(&bench.rows, &first, UnixMs(6)), Ok(Vec::new()));
    let unknown = bench.ring.plan_revocation(&bench.rows, "nobody", UnixMs(6));
    assert_eq!(unknown, Err(PlanKeysError::UnknownKey { kid: "nobody".into() }));
}

#[test]
fn a_revoked_active_key_is_followed_by_the_next_one() {
    let mut bench = bench();
    bench.rotate(29 * DAY);
    let (first, next) = (bench.rows[0].kid.clone(), bench.rows[1].kid.clone());
    bench.revoke(&first, 29 * DAY + 1);
    assert_eq!(bench.ring.active_kid(), Some(next));
    assert_eq!(bench.rows.len(), 2);
}

#[test]
fn a_replaced_key_signs_no_more_and_is_believed_on() {
    let mut bench = bench();
    let first = bench.rows[0].kid.clone();
    let changes = bench.ring.plan_replacement(&bench.rows, UnixMs(5)).expect("a plan");
    bench.apply(changes);
    assert!(bench.ring.active_kid().is_some_and(|kid| kid != first));
    assert!(bench.ring.find_verifying_key(&first).is_some());
    bench.rotate(30 * DAY);
    let next = bench.rows.iter().find(|row| row.state == KeyState::Next).expect("the next key").kid.clone();
    let changes = bench.ring.plan_replacement(&bench.rows, UnixMs(30 * DAY + 1)).expect("a plan");
    bench.apply(changes);
    assert_eq!(bench.ring.active_kid(), Some(next));
}

#[test]
fn rows_of_another_master_key_are_refused_and_change_nothing() {
    let (bench, other) = (bench(), bench());
    let before = bench.ring.jwks();
    let error = bench.ring.publish(&other.rows).expect_err("does not open");
    assert_eq!(error.kid, other.rows[0].kid);
    assert!(Arc::ptr_eq(&before, &bench.ring.jwks()));
}

#[test]
fn the_same_rows_again_are_no_new_snapshot() {
    let bench = bench();
    let epoch = bench.ring.epoch();
    bench.ring.publish(&bench.rows).expect("opens");
    assert_eq!(bench.ring.epoch(), epoch);
}

#[test]
fn the_key_set_holds_public_keys_only() {
    let bench = bench();
    let set: Value = serde_json::from_str(&bench.ring.jwks()).expect("JSON");
    let names: Vec<_> = set["keys"][0].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
}

#[test]
fn a_state_has_one_spelling() {
    for state in [KeyState::Next, KeyState::Active, KeyState::Retired, KeyState::Revoked] {
        assert_eq!(KeyState::parse(state.as_str()), Some(state));
    }
    assert_eq!(KeyState::parse("Active"), None);
}
