//! Signing keys: published, rotated under load, revoked in an emergency, and never shown.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::harness::{
    ADMINISTRATOR, Database, PASSWORD, Preload, Server, Setup, SignIn, StopOnDrop, check_runs, wait_until,
};

/// Returns ids and states.
#[track_caller]
fn states(list: &Value) -> Vec<(String, String)> {
    let text = |key: &Value, name: &str| key[name].as_str().unwrap_or_else(|| panic!("no {name} in {key}")).to_owned();
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    list.iter().map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

#[track_caller]
fn find(list: &Value, state: &str) -> String {
    let found: Vec<_> = states(list).into_iter().filter(|(_, its)| its == state).map(|(kid, _)| kid).collect();
    assert_eq!(found.len(), 1, "{state} in {list}");
    found[0].clone()
}

#[track_caller]
fn rotate(server: &Server) -> Value {
    let answer = server.send("POST", "/api/keys/rotate");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn revoke(server: &Server, kid: &str) -> Value {
    let answer = server.send_json("POST", "/api/keys/rotate", &json!({"revoke": kid}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Returns the ids of the keys that are published.
#[track_caller]
fn published(server: &Server) -> Vec<String> {
    let answer = server.receive(server.strangers_request("GET", "/.well-known/jwks.json"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert!(answer.header("content-type").is_some_and(|kind| kind.contains("json")), "{answer:?}");
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap_or_else(|| panic!("no keys in {set}"));
    for key in keys {
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")), "{key}");
        let names: Vec<_> = key.as_object().expect("a key is an object").keys().cloned().collect();
        assert!(!names.iter().any(|name| name == "d"), "a private key is published: {names:?}");
    }
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an id").to_owned()).collect()
}

#[test]
fn the_keys_are_published_for_everybody_and_listed_for_administrators() {
    let server = Server::start(&[]);
    let list = server.get("/api/keys").json();
    let kid = find(&list, "active");
    assert!(published(&server).contains(&kid));
    let changed_at = &list[0]["changed_at"];
    assert!(changed_at.as_str().is_some_and(|time| time.ends_with('Z')), "{list}");
    let clerk = server.sign_up("clerk", "clerk", "").access;
    for (method, path) in [("GET", "/api/keys"), ("POST", "/api/keys/rotate")] {
        server.receive(server.strangers_request(method, path)).check_unauthenticated();
        server.receive(server.request_as(&clerk, method, path)).check_problem(403, "forbidden");
    }
    assert_eq!(server.get("/api/keys").json(), list);
}

/// Whoever knows the standards and the published keys can check a token, and needs nothing else.
#[test]
fn a_token_is_verified_by_the_published_key_alone() {
    let server = Server::start(&[]);
    let token = server.sign_up("ada", "clerk", "").access;
    let set = server.receive(server.strangers_request("GET", "/.well-known/jwks.json")).json();
    let key = &set["keys"][0];
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let coordinate = |name: &str| decode(key[name].as_str().expect("a coordinate"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    assert!(verifier.verify(signed.as_bytes(), &decode(signature)).is_ok());
    assert!(verifier.verify(&signed.as_bytes()[1..], &decode(signature)).is_err());
    let header: Value = serde_json::from_slice(&decode(signed.split('.').next().expect("a header"))).expect("JSON");
    assert_eq!(header, json!({"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}));
}

#[test]
fn a_rotation_logs_nobody_out() {
    let server = Server::start(&[]);
    let before = server.sign_up("ada", "clerk", "");
    let old = find(&server.get("/api/keys").json(), "active");
    let list = rotate(&server);
    assert_eq!(find(&list, "retired"), old);
    let new = find(&list, "active");
    assert_ne!(new, old);
    let keys = published(&server);
    assert!(keys.contains(&old) && keys.contains(&new), "{keys:?}");
    server.check_believed(&before.access);
    let after = SignIn::read(&server.refresh(&before.refresh));
    server.check_believed(&after.access);
    // Over a restart too.
    let server = server.stop().start();
    server.check_believed(&before.access);
    server.check_believed(&after.access);
}

#[test]
fn rotations_under_load_fail_no_request() {
    const ROTATIONS: usize = 8;
    let server = Server::start(&[]);
    let sessions: Vec<_> = (0..3).map(|number| server.sign_up(&format!("user{number}"), "clerk", "")).collect();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for session in &sessions {
            let (server, over, answered) = (&server, &over, &answered);
            scope.spawn(move || {
                let mut session = session.clone();
                while !over.load(Ordering::Relaxed) {
                    for _ in 0..10 {
                        server.check_believed(&session.access);
                    }
                    session = SignIn::read(&server.refresh(&session.refresh));
                    answered.fetch_add(11, Ordering::Relaxed);
                }
            });
        }
        let _stop = StopOnDrop(&over);
        for rotation in 1..=ROTATIONS {
            rotate(&server);
            wait_until("requests between two rotations", || answered.load(Ordering::Relaxed) > rotation * 20);
        }
    });
    for session in &sessions {
        server.check_believed(&session.access);
    }
}

#[test]
fn a_key_that_is_revoked_is_believed_no_more_and_its_holders_refresh() {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk", "");
    let stolen = find(&server.get("/api/keys").json(), "active");
    let list = revoke(&server, &stolen);
    assert!(states(&list).contains(&(stolen.clone(), "revoked".to_owned())), "{list}");
    assert_ne!(find(&list, "active"), stolen);
    // The administrator's own token was signed with it.
    server.check_soon_not_believed(&session.access);
    server.get("/api/keys").check_invalid_token();
    let keys = published(&server);
    assert!(!keys.contains(&stolen) && !keys.is_empty(), "{keys:?}");
    let refreshed = SignIn::read(&server.refresh(&session.refresh));
    server.check_believed(&refreshed.access);
    let server = server.kill().start();
    server.check_not_believed(&session.access);
    server.check_believed(&refreshed.access);
}

#[test]
fn a_retired_key_can_be_revoked_too() {
    let server = Server::start(&[]);
    let before = server.sign_up("ada", "clerk", "");
    let administrator = server.sign_in("admin");
    let list = rotate(&server);
    let old = find(&list, "retired");
    let administrator = SignIn::read(&server.refresh(&administrator.refresh));
    let after = SignIn::read(&server.refresh(&before.refresh));
    let answer = server.send_as(&administrator.access, "POST", "/api/keys/rotate", &json!({"revoke": old}));
    assert_eq!(find(&answer.json(), "active"), find(&list, "active"));
    server.check_soon_not_believed(&before.access);
    server.check_believed(&after.access);
    server.check_believed(&administrator.access);
}

#[test]
fn what_is_no_key_cannot_be_revoked() {
    let server = Server::start(&[]);
    let list = server.get("/api/keys").json();
    for kid in ["unknown", "", "../../master.key", "' OR 1=1 --", &"A".repeat(43)] {
        let answer = server.send_json("POST", "/api/keys/rotate", &json!({"revoke": kid}));
        assert!(matches!(answer.status, 400 | 404), "{kid}: {}", answer.text());
    }
    for body in [json!({"revoke": null, "kid": "x"}), json!({"revoke": ["x"]}), json!([])] {
        server.send_json("POST", "/api/keys/rotate", &body).check_problem(400, "invalid_request");
    }
    assert_eq!(server.get("/api/keys").json(), list);
}

#[test]
fn keys_follow_one_another_by_themselves_and_each_is_published_before_it_signs() {
    let clock = Preload::new();
    let server = Setup::new().preload(&clock).start();
    let session = server.sign_up("ada", "clerk", "");
    let first = published(&server);
    clock.set_clock_ahead(Duration::from_hours(24 * 29 + 1));
    let setup = server.stop();
    let server = setup.start();
    wait_until("the next key", || published(&server).len() == 2);
    let both = published(&server);
    let next = both.iter().find(|kid| **kid != first[0]).expect("there are two").clone();
    clock.set_clock_ahead(Duration::from_hours(24 * 31));
    let server = server.stop().start();
    let mut database = Database::open(&server.data());
    let active = format!("SELECT count(*) AS number FROM signing_keys WHERE kid = '{next}' AND state = 'active'");
    wait_until("the next key to sign", || database.number(&active) == 1);
    assert_eq!(published(&server), both);
    drop(database);
    // The session is too old by now, and what signs in is signed with the new key.
    server.refresh(&session.refresh).check_problem(401, "invalid_refresh_token");
    server.check_believed(&server.sign_in("ada").access);
}

#[test]
fn a_master_key_that_others_may_read_keeps_the_server_from_starting() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Server::start(&[]).stop();
    let file = setup.data().join("master.key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
    let said = setup.refusal();
    assert!(said.contains("master.key") && said.contains("0644") && said.contains("chmod 600"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    fs::write(&file, "not a key\n").expect("written");
    let said = setup.refusal();
    assert!(said.contains("32 bytes"), "{said}");
}

#[test]
fn a_master_key_from_a_variable_is_in_no_file_and_no_log() {
    const KEY: &str = "c29tZSBrZXkgb2YgMzIgYnl0ZXMgZm9yIGEgdGVzdCE=";
    let setup = Setup::new().without_administrator().variable("BACKPLANE_MASTER_KEY", KEY);
    check_runs(&["user", "add", ADMINISTRATOR, "--role", "admin"], &setup.data(), PASSWORD);
    let server = setup.start();
    let session = server.sign_in(ADMINISTRATOR);
    let server = server.stop().start();
    server.check_believed(&session.access);
    assert!(!server.data().join("master.key").exists());
    let log = server.log().join("\n");
    assert!(!log.contains(KEY), "{log}");
    let other = server.stop().variable("BACKPLANE_MASTER_KEY", &KEY.replace('c', "d"));
    let said = other.refusal();
    assert!(said.contains("master key") && !said.contains(KEY), "{said}");
    let short = other.variable("BACKPLANE_MASTER_KEY", "too short").refusal();
    assert!(short.contains("BACKPLANE_MASTER_KEY") && !short.contains("too short"), "{short}");
}

#[test]
fn another_master_key_opens_nothing_and_says_so() {
    let setup = Server::start(&[]).stop();
    fs::write(setup.data().join("master.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").expect("written");
    let said = setup.refusal();
    assert!(said.contains("master key"), "{said}");
}
