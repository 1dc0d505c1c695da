//! API keys: what they open, what they never open, and how they end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Preload, Server, Setup, SignIn, administrators_token, wait_for};

/// A key that was made: its id, and the text that is shown once.
struct Key {
    id: String,
    text: String,
}

impl Key {
    #[track_caller]
    fn make(server: &Server, session: &SignIn, wanted: &Value) -> Self {
        let answer = server.send_as(&session.access, "POST", "/api/api-keys", wanted);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        let made = answer.json();
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
        assert_eq!(made["name"], wanted["name"], "{made}");
        Self { id: text("id"), text: text("key") }
    }
}

#[track_caller]
fn start() -> (Server, SignIn) {
    let server = Server::start(&[]);
    let session = server.sign_up("ada", "clerk", "orders:read orders:write");
    (server, session)
}

#[track_caller]
fn reader(server: &Server, session: &SignIn) -> Key {
    Key::make(server, session, &json!({"name": "reader", "scopes": ["orders:read"]}))
}

/// Returns the list of the caller's keys.
#[track_caller]
fn list(server: &Server, credential: &str, query: &str) -> Vec<Value> {
    let answer = server.get_as(credential, &format!("/api/api-keys{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed = answer.json();
    let keys = listed.as_array().or_else(|| listed["keys"].as_array());
    keys.unwrap_or_else(|| panic!("{listed} is no list")).clone()
}

#[track_caller]
fn revoke(server: &Server, credential: &str, key: &Key) -> crate::harness::Answer {
    server.receive(server.request_as(credential, "DELETE", &format!("/api/api-keys/{}", key.id)))
}

#[test]
fn a_key_acts_for_its_owner_within_its_scopes() {
    let (server, session) = start();
    let key = reader(&server, &session);
    assert!(key.text.starts_with(&format!("bp_{}_", key.id)), "the id is a part of the key");
    let (owner, me) = (server.check_believed(&session.access), server.check_believed(&key.text));
    assert_eq!((&me["subject"], &me["name"], &me["roles"]), (&owner["subject"], &owner["name"], &owner["roles"]));
    assert_eq!(
        (&me["kind"], &me["scopes"], &me["session"]),
        (&json!("api-key"), &json!(["orders:read"]), &Value::Null)
    );
}

#[test]
fn a_key_has_no_scope_that_its_owner_does_not_have() {
    let (server, session) = start();
    for scopes in [json!(["orders:delete"]), json!(["orders:read", "admin"])] {
        let wanted = json!({"name": "more", "scopes": scopes});
        let answer = server.send_as(&session.access, "POST", "/api/api-keys", &wanted);
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(list(&server, &session.access, ""), [Value::Null; 0]);
    // What the owner loses, the key loses too.
    let both = Key::make(&server, &session, &json!({"name": "both", "scopes": ["orders:read", "orders:write"]}));
    server.check_believed(&both.text);
    server.change_user("ada", &json!({"scopes": ["orders:write"], "roles": ["auditor"]}));
    let me = server.check_believed(&both.text);
    assert_eq!((&me["scopes"], &me["roles"]), (&json!(["orders:write"]), &json!(["auditor"])));
}

#[test]
fn a_key_makes_no_key_and_changes_no_password() {
    let (server, session) = start();
    let key = reader(&server, &session);
    let wanted = json!({"name": "child", "scopes": []});
    server.send_as(&key.text, "POST", "/api/api-keys", &wanted).check_problem(403, "forbidden");
    let change = json!({"current": crate::harness::PASSWORD, "new": "eight mooses in a lift"});
    server.send_as(&key.text, "PUT", "/api/auth/password", &change).check_problem(403, "forbidden");
    server.sign_in("ada");
}

#[test]
fn a_key_of_an_administrator_opens_the_api() {
    let server = Server::start(&["hello"]);
    let administrator = server.sign_in("admin");
    let key = Key::make(&server, &administrator, &json!({"name": "deploy", "scopes": []}));
    assert_eq!(server.get_as(&key.text, "/api/plugins/hello").status, 200);
    server.add_user("ada", "clerk", "");
    let ada = server.sign_in("ada");
    let key = Key::make(&server, &ada, &json!({"name": "deploy", "scopes": []}));
    server.get_as(&key.text, "/api/plugins/hello").check_problem(403, "forbidden");
}

#[test]
fn a_list_shows_when_a_key_was_used_and_never_the_key() {
    let (server, session) = start();
    let (used, unused) = (reader(&server, &session), Key::make(&server, &session, &json!({"name": "b", "scopes": []})));
    server.check_believed(&used.text);
    let last_used_at = |key: &Key| {
        let listed = list(&server, &session.access, "");
        let found = listed.iter().find(|one| one["id"] == key.id).expect("it is listed");
        found["last_used_at"].as_str().map(str::to_owned)
    };
    // It is written down when there is time for it.
    let last_used = wait_for("the use to be noted", || last_used_at(&used));
    assert!(last_used.ends_with('Z'), "{last_used}");
    assert_eq!(last_used_at(&unused), None);
    let listed = list(&server, &session.access, "");
    assert_eq!(listed.len(), 2);
    let text = serde_json::to_string(&listed).expect("JSON");
    for key in [&used, &unused] {
        let secret = &key.text["bp_".len() + key.id.len() + 1..];
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_key_that_is_revoked_is_believed_no_more() {
    let (server, session) = start();
    let (key, other) = (reader(&server, &session), reader(&server, &session));
    server.check_believed(&key.text);
    assert_eq!(revoke(&server, &session.access, &key).status, 204);
    server.check_soon_not_believed(&key.text);
    server.check_believed(&other.text);
    let server = server.kill().start();
    server.check_not_believed(&key.text);
    server.check_believed(&other.text);
}

#[test]
fn a_key_ends_with_its_owner_and_not_with_a_session() {
    let (server, session) = start();
    let key = reader(&server, &session);
    let log_out = server.request_as(&session.access, "POST", "/api/auth/logout").json(&json!({"all": true}));
    assert_eq!(server.receive(log_out).status, 204);
    server.check_soon_not_believed(&session.access);
    server.check_believed(&key.text);
    server.change_user("ada", &json!({"disabled": true}));
    server.check_soon_not_believed(&key.text);
    server.change_user("ada", &json!({"disabled": false}));
    server.check_believed(&key.text);
    assert_eq!(server.send("DELETE", "/api/users/ada").status, 204);
    server.check_soon_not_believed(&key.text);
}

#[test]
fn a_key_ends_when_its_time_is_over() {
    let clock = Preload::new();
    let server = Setup::new().preload(&clock).start();
    let session = server.sign_up("ada", "clerk", "orders:read");
    let short = Key::make(&server, &session, &json!({"name": "short", "scopes": [], "expires_in_days": 1}));
    let long = reader(&server, &session);
    server.check_believed(&short.text);
    clock.set_clock_ahead(Duration::from_hours(23));
    server.check_believed(&short.text);
    clock.set_clock_ahead(Duration::from_hours(25));
    server.check_not_believed(&short.text);
    server.check_believed(&long.text);
}

#[test]
fn nobody_but_its_owner_and_an_administrator_sees_or_revokes_a_key() {
    let (server, ada) = start();
    let eve = server.sign_up("eve", "clerk", "orders:read");
    let key = reader(&server, &ada);
    let listed = server.get_as(&eve.access, "/api/api-keys?user=ada");
    assert!(matches!(listed.status, 403 | 404) && !listed.text().contains(&key.id), "{}", listed.text());
    assert_eq!(list(&server, &eve.access, ""), [Value::Null; 0]);
    let refused = revoke(&server, &eve.access, &key);
    let unknown = revoke(&server, &eve.access, &Key { id: "A".repeat(12), text: String::new() });
    // Whether there is such a key is not told.
    assert_eq!((refused.status, refused.json()["code"].clone()), (unknown.status, unknown.json()["code"].clone()));
    let for_ada = json!({"name": "mine", "scopes": [], "user": "ada"});
    server.send_as(&eve.access, "POST", "/api/api-keys", &for_ada).check_problem(403, "forbidden");
    server.check_believed(&key.text);
    assert_eq!(list(&server, &administrators_token(), "?user=ada").len(), 1);
    assert_eq!(revoke(&server, &administrators_token(), &key).status, 204);
    server.check_soon_not_believed(&key.text);
}

#[test]
fn a_key_that_was_changed_or_made_up_is_not_believed() {
    let (server, session) = start();
    let key = reader(&server, &session);
    let other = reader(&server, &session);
    let secret_of = |key: &Key| key.text["bp_".len() + key.id.len() + 1..].to_owned();
    let last = if key.text.ends_with('a') { "b" } else { "a" };
    for wrong in [
        format!("bp_{}_{}", key.id, secret_of(&other)),
        format!("bp_{}_{}", "A".repeat(12), secret_of(&key)),
        format!("{}{last}", &key.text[..key.text.len() - 1]),
        format!("{}{last}", key.text),
        key.text[..key.text.len() - 6].to_owned(),
        key.text.to_uppercase(),
        key.text["bp_".len()..].to_owned(),
        format!("bp_{}", key.id),
        "bp_".to_owned(),
        "bp__".to_owned(),
        format!("bp_{}", "A".repeat(8000)),
    ] {
        server.check_not_believed(&wrong);
    }
    server.check_believed(&key.text);
}

#[test]
fn an_account_has_a_hundred_keys_at_the_most() {
    let (server, session) = start();
    let keys: Vec<_> = (0..100).map(|_| reader(&server, &session)).collect();
    let wanted = json!({"name": "one more", "scopes": []});
    let refused = server.send_as(&session.access, "POST", "/api/api-keys", &wanted);
    refused.check_problem(409, "limit_reached");
    server.check_believed(&keys[99].text);
    assert_eq!(revoke(&server, &session.access, &keys[0]).status, 204);
    Key::make(&server, &session, &wanted);
    // What was revoked is still to be seen.
    let listed = list(&server, &session.access, "");
    let good = listed.iter().filter(|key| key["revoked_at"].is_null()).count();
    assert_eq!((good, listed.len()), (100, 101));
}

#[test]
fn a_wish_for_a_key_that_makes_no_sense_is_refused() {
    let (server, session) = start();
    for wanted in [
        json!({}),
        json!({"scopes": []}),
        json!({"name": "", "scopes": []}),
        json!({"name": "a\nb", "scopes": []}),
        json!({"name": "x".repeat(1000), "scopes": []}),
        json!({"name": "a", "scopes": "orders:read"}),
        json!({"name": "a", "scopes": ["orders read"]}),
        json!({"name": "a", "scopes": [], "expires_in_days": 0}),
        json!({"name": "a", "scopes": [], "expires_in_days": -1}),
        json!({"name": "a", "scopes": [], "expires_in_days": 1.5}),
        json!({"name": "a", "scopes": [], "expires_in_days": 1_000_000_000_000_u64}),
        json!({"name": "a", "scopes": [], "key": "bp_mine"}),
    ] {
        let answer = server.send_as(&session.access, "POST", "/api/api-keys", &wanted);
        assert!(matches!(answer.status, 400 | 422), "{wanted}: {} {}", answer.status, answer.text());
    }
    let stranger = server.post("/api/api-keys", &json!({"name": "a", "scopes": []}));
    stranger.check_unauthenticated();
    assert_eq!(list(&server, &session.access, ""), [Value::Null; 0]);
}
