//! The trail: who did what, from where, and what came of it.

use serde_json::{Value, json};

use crate::harness::{ADMINISTRATOR, PASSWORD, Server, SignIn, with_version};

/// Returns the entries of a page, the newest first.
#[track_caller]
fn entries(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/audit{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    page["entries"].as_array().unwrap_or_else(|| panic!("no entries in {page}")).clone()
}

/// Checks that the newest entry of an action says this of its actor, its target and its result.
#[track_caller]
fn check_newest(server: &Server, action: &str, actor: &str, target: Option<&str>, result: &str) -> Value {
    let found = entries(server, &format!("?action={action}&limit=1"));
    let entry = found.first().unwrap_or_else(|| panic!("no {action} in {:?}", entries(server, "")));
    assert_eq!((&entry["actor_name"], &entry["result"]), (&json!(actor), &json!(result)), "{entry}");
    if let Some(target) = target {
        assert_eq!(entry["target"], target, "{entry}");
    }
    assert!(entry["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1")), "{entry}");
    assert!(entry["at"].as_str().is_some_and(|time| time.ends_with('Z')), "{entry}");
    assert!(entry["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{entry}");
    entry.clone()
}

#[test]
fn sign_ins_and_what_becomes_of_them_are_in_the_trail() {
    let server = Server::start(&[]);
    let subject = server.add_user("ada", "clerk", "")["subject"].clone();
    let session = server.sign_in("ada");
    let entry = check_newest(&server, "login", "ada", None, "ok");
    assert_eq!(entry["actor"], subject, "{entry}");
    server.try_sign_in("ada", "another password").check_problem(401, "invalid_credentials");
    check_newest(&server, "login", "ada", None, "invalid_credentials");
    server.try_sign_in("nobody", "another password").check_problem(401, "invalid_credentials");
    // What was typed as a name may be a password: it is not written down.
    let entry = &entries(&server, "?action=login&limit=1")[0];
    assert_eq!((&entry["actor"], &entry["actor_name"]), (&Value::Null, &Value::Null), "{entry}");
    assert_eq!(entry["result"], "invalid_credentials", "{entry}");
    let second = SignIn::read(&server.refresh(&session.refresh));
    check_newest(&server, "refresh", "ada", None, "ok");
    let third = SignIn::read(&server.refresh(&second.refresh));
    server.refresh(&session.refresh).check_problem(401, "invalid_refresh_token");
    let entry = check_newest(&server, "refresh", "ada", None, "invalid_refresh_token");
    assert!(entry["detail"].as_str().is_some_and(|detail| detail.contains("used before")), "{entry}");
    server.check_soon_not_believed(&third.access);
    let session = server.sign_in("ada");
    let change = json!({"current": PASSWORD, "new": "eight mooses in a lift"});
    assert_eq!(server.send_as(&session.access, "PUT", "/api/auth/password", &change).status, 204);
    check_newest(&server, "password.change", "ada", None, "ok");
    let session = SignIn::read(&server.refresh(&session.refresh));
    assert_eq!(server.receive(server.request_as(&session.access, "POST", "/api/auth/logout")).status, 204);
    check_newest(&server, "logout", "ada", None, "ok");
}

#[test]
fn every_change_of_an_administrator_is_in_the_trail() {
    let server = Server::start(&[]);
    let by = ADMINISTRATOR;
    server.add_user("ada", "clerk", "");
    check_newest(&server, "user.create", by, Some("ada"), "ok");
    server.change_user("ada", &json!({"roles": ["auditor"]}));
    check_newest(&server, "user.update", by, Some("ada"), "ok");
    server.send_json("PATCH", "/api/users/admin", &json!({"disabled": true})).check_problem(409, "last_administrator");
    check_newest(&server, "user.update", by, Some("admin"), "last_administrator");
    assert_eq!(server.send("DELETE", "/api/users/ada").status, 204);
    check_newest(&server, "user.delete", by, Some("ada"), "ok");
    assert_eq!(server.send("POST", "/api/keys/rotate").status, 200);
    check_newest(&server, "key.rotate", by, None, "ok");
    let keys = server.get("/api/keys").json();
    let find = |state: &str| keys.as_array().expect("a list").iter().find(|key| key["state"] == state);
    let active = find("active").expect("one is")["kid"].as_str().expect("text").to_owned();
    let session = server.sign_in(ADMINISTRATOR);
    let key = server.send_as(&session.access, "POST", "/api/api-keys", &json!({"name": "ci", "scopes": []})).json();
    let id = key["id"].as_str().expect("a key has an id");
    check_newest(&server, "api-key.create", by, Some(id), "ok");
    assert_eq!(server.send("DELETE", &format!("/api/api-keys/{id}")).status, 204);
    check_newest(&server, "api-key.revoke", by, Some(id), "ok");
    server.send_json("POST", "/api/keys/rotate", &json!({"revoke": active})).check_success();
    // What the session had was signed with it; the harness's token with the one before.
    check_newest(&server, "key.revoke", by, Some(&active), "ok");
}

#[test]
fn a_rollback_is_in_the_trail() {
    let server = Server::start(&[]);
    for version in ["7.7.101", "7.7.102"] {
        server.put("versioned.wasm", &with_version(version));
        server.wait_for_text("/versioned", &format!("version {version}"));
    }
    assert_eq!(server.send("POST", "/api/plugins/versioned/rollback").status, 200);
    check_newest(&server, "plugin.rollback", ADMINISTRATOR, Some("versioned"), "ok");
    server.send("POST", "/api/plugins/nobody/rollback").check_problem(404, "unknown_plugin");
    check_newest(&server, "plugin.rollback", ADMINISTRATOR, Some("nobody"), "unknown_plugin");
}

#[test]
fn the_trail_is_read_page_by_page_and_by_actor_and_action() {
    let server = Server::start(&[]);
    for number in 0..7 {
        server.add_user(&format!("user{number}"), "clerk", "");
    }
    server.sign_in("user3");
    let (mut seen, mut query) = (Vec::new(), "?limit=3&action=user.create".to_owned());
    loop {
        let page = server.get(&format!("/api/audit{query}")).json();
        let entries = page["entries"].as_array().unwrap_or_else(|| panic!("no entries in {page}")).clone();
        assert!(entries.len() <= 3, "{page}");
        seen.extend(entries);
        let Some(next) = page["next"].as_i64() else { break };
        query = format!("?limit=3&action=user.create&before={next}");
    }
    let targets: Vec<_> = seen.iter().filter_map(|entry| entry["target"].as_str()).collect();
    let mut expected: Vec<_> = (0..7).rev().map(|number| format!("user{number}")).collect();
    // The administrator was made by a command.
    expected.push(ADMINISTRATOR.to_owned());
    assert_eq!(targets, expected);
    let sequence: Vec<_> = seen.iter().map(|entry| entry["seq"].as_i64()).collect();
    assert!(sequence.windows(2).all(|pair| pair[0] > pair[1]), "{sequence:?}");
    let of_user3 = entries(&server, "?actor=user3");
    assert_eq!(of_user3.len(), 1, "{of_user3:?}");
    assert_eq!(of_user3[0]["action"], "login");
    assert!(entries(&server, "?actor=nobody").is_empty());
    for query in ["?limit=x", "?before=x", "?unknown=1", "?limit=-1"] {
        server.get(&format!("/api/audit{query}")).check_problem(400, "invalid_request");
    }
}

#[test]
fn what_a_stranger_types_as_a_name_is_in_no_entry() {
    let server = Server::start(&[]);
    let names = ["admin\",\"result\":\"ok", "a\nlogin ok admin", "\u{1b}[31mred", "\u{202e}nimda", &"x".repeat(2000)];
    for name in names {
        server.try_sign_in(name, "another password").check_problem(401, "invalid_credentials");
    }
    let found = entries(&server, "?action=login");
    assert_eq!(found.len(), names.len(), "{found:?}");
    for entry in &found {
        assert_eq!((&entry["result"], &entry["actor"]), (&json!("invalid_credentials"), &Value::Null), "{entry}");
        assert_eq!(entry["actor_name"], Value::Null, "{entry}");
    }
}
